"""A packed checkpoint, read by stock transformers in a process that has no bitsft."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bitsft.checkpoint import check_packable, save_ternary
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.pack import unpack_codes

SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
MODELS = {
    "llama, tied": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "llama, own head": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "qwen2, biases": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "qwen3, q/k norms": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES)),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**SIZES)),
    "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**SIZES, num_local_experts=4)),
}
IDS = torch.arange(2, 34).reshape(2, 16)

LOAD_IN_STOCK = """
import sys
sys.modules["bitsft"] = None  # importing it would fail
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers.integrations.bitnet import BitLinear
logits = {}
for number, folder in enumerate(sys.argv[2:]):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits[str(number)] = model(torch.arange(2, 34).reshape(2, 16)).logits
    logits[f"{number}.ternary"] = torch.tensor(sum(isinstance(m, BitLinear) for m in model.modules()))
save_file(logits, sys.argv[1])
"""


@pytest.fixture(scope="module")
def round_trips(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[torch.Tensor, torch.Tensor, int]]:
    """For each model: logits here, logits in stock transformers, ternary layers found there."""
    root = tmp_path_factory.mktemp("packed")
    expected = {}
    for name, build in MODELS.items():
        torch.manual_seed(0)
        model = replace_linear_with_bitlinear(build()).eval()
        assert isinstance(model, PreTrainedModel)
        save_ternary(model, root / name)
        with torch.no_grad():
            expected[name] = model(IDS).logits
    script = root / "stock.py"
    script.write_text(LOAD_IN_STOCK)
    subprocess.run(
        [sys.executable, script, root / "logits.safetensors", *(root / name for name in MODELS)],
        check=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
        capture_output=True,
    )
    found = load_file(root / "logits.safetensors")
    return {
        name: (expected[name], found[str(i)], int(found[f"{i}.ternary"]))
        for i, name in enumerate(MODELS)
    }


@pytest.mark.parametrize("name", list(MODELS))
def test_stock_transformers_computes_the_same_logits(
    name: str, round_trips: dict[str, tuple[torch.Tensor, torch.Tensor, int]]
) -> None:
    here, there, ternary = round_trips[name]
    assert ternary == len(ternary_layers(replace_linear_with_bitlinear(MODELS[name]())))
    assert (here - there).norm() / here.norm() < 1e-6


def test_what_is_written(tmp_path: Path) -> None:
    model = replace_linear_with_bitlinear(MODELS["llama, own head"]())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_ternary(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["quantization_config"] == {
        "quant_method": "bitnet",
        "linear_class": "bitlinear",
        "quantization_mode": "offline",
        "modules_to_not_convert": ["lm_head"],
    }
    tensors = load_file(tmp_path / "model.safetensors")
    name = "model.layers.0.mlp.up_proj"
    codes, scale = ternary_layers(model)[name].ternary()
    assert tensors[f"{name}.weight"].shape == (16, 32)
    assert torch.equal(unpack_codes(tensors[f"{name}.weight"]), codes)
    assert tensors[f"{name}.weight_scale"].tolist() == [1 / scale]
    assert "quantization_config" not in vars(model.config), "the caller's config stays as it was"
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert not list(tmp_path.glob("*.bin")), "no pickle"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"granularity": "row"}, "one scale per row"),
        ({"activation_bits": None}, "activations in full precision"),
    ],
)
def test_layers_that_the_format_cannot_hold(options: dict[str, object], message: str) -> None:
    model = replace_linear_with_bitlinear(MODELS["llama, tied"](), **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"q_proj .*{message}.*filter_fn"):
        check_packable(model)


def test_a_width_that_does_not_pack() -> None:
    sizes = {**SIZES, "intermediate_size": 66}
    model = replace_linear_with_bitlinear(LlamaForCausalLM(LlamaConfig(**sizes)))
    with pytest.raises(ValueError, match="gate_proj has 66 output features, not a multiple of 4"):
        check_packable(model)


def test_a_dense_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no ternary layer"):
        save_ternary(MODELS["llama, tied"](), tmp_path)


def test_a_name_that_transformers_would_not_convert_back() -> None:
    model = MODELS["llama, tied"]()
    replace_linear_with_bitlinear(
        model, filter_fn=lambda _, name: name != "model.layers.0.mlp.up_proj"
    )
    check_packable(model)  # a dense layer by its full name harms no other
    model.up_proj = torch.nn.Linear(4, 4)  # as a pattern, "up_proj" matches every layer's
    with pytest.raises(ValueError, match=r"layers\.1\.mlp\.up_proj is ternary, but transformers"):
        check_packable(model)
