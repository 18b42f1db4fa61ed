"""Frozen models of packed layers: straight from every form of checkpoint, and saved again without a byte changed."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig

from bitsft import replace_linear_with_bitlinear, save_ternary, verify
from bitsft.checkpoint.load import load_ternary
from bitsft.ternary import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158, layers_with_codes
from bitsft.ternary.packed_model import pack_model
from tests.checkpoint.test_load import ALL, CASES
from tests.checkpoint.tiny_checkpoints import BITLINEAR, ONLINE, change_tensors, save
from tests.checkpoint.tiny_models import MODELS, logits, ternary_model


@pytest.mark.parametrize(("name", "case"), ALL)
def test_the_logits_are_those_of_the_trainable_model(name: str, case: str, tmp_path: Path) -> None:
    CASES[case](name, tmp_path)
    trainable = load_ternary(tmp_path)
    frozen = load_ternary(tmp_path, trainable=False)
    assert torch.equal(logits(frozen), logits(trainable))
    assert list(layers_with_codes(frozen)) == list(ternary_layers(trainable))
    assert not ternary_layers(frozen) and not frozen.training
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_full_precision_and_scales_of_rows(granularity: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    MODELS["llama"]().save_pretrained(tmp_path / "dense")
    trainable = load_ternary(tmp_path / "dense", granularity=granularity)
    options: dict[str, Any] = {"trainable": False, "codes_in_memory": "int8"}
    frozen = load_ternary(tmp_path / "dense", granularity=granularity, **options)
    assert torch.equal(logits(frozen), logits(trainable))
    layer = frozen.get_submodule("model.layers.0.mlp.up_proj")
    assert layer.weight_scale.shape == (() if granularity == "tensor" else (64, 1))
    assert layer.full_name == "model.layers.0.mlp.up_proj" and layer.codes_in_memory == "int8"
    save_ternary(trainable, tmp_path / "saved")
    again = load_ternary(tmp_path / "saved", trainable=False)
    assert torch.equal(logits(again), logits(load_ternary(tmp_path / "saved")))


@pytest.mark.parametrize("format", ["transformers", "dense", "compressed-tensors"])
@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_a_packed_model_is_saved_as_the_one_it_was_made_from(
    format: Any, granularity: Any, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = replace_linear_with_bitlinear(MODELS["qwen2, biases"](), granularity=granularity)
    save_ternary(model, tmp_path / "trainable", format)
    for form in ("packed", "int8"):
        packed = pack_model(copy.deepcopy(model), codes_in_memory=form)  # type: ignore[arg-type]
        save_ternary(packed, tmp_path / form, format)
        files = sorted(path.name for path in (tmp_path / "trainable").iterdir())
        assert sorted(path.name for path in (tmp_path / form).iterdir()) == files
        for name in files:
            one, other = (tmp_path / place / name for place in ("trainable", form))
            assert one.read_bytes() == other.read_bytes(), name


def test_latents_gguf_and_the_proof_of_a_packed_model(
    tmp_path: Path, tiny_llama: Any, tiny_tokenizer: Any
) -> None:
    model = replace_linear_with_bitlinear(tiny_llama)
    for layer in ternary_layers(model).values():
        layer.move_to_grid_()
    packed = pack_model(copy.deepcopy(model))
    for kind, one in (("a", model), ("b", packed)):
        save_ternary(one, tmp_path / kind, "latent")
    files = [(tmp_path / kind / "model.safetensors").read_bytes() for kind in "ab"]
    assert files[0] == files[1], "latents that project to the codes"
    for kind, one in (("d", model), ("e", packed)):
        save_ternary(one, tmp_path / kind, "gguf", gguf_type="F16", tokenizer=tiny_tokenizer)
    ggufs = [(tmp_path / kind / "model-F16.gguf").read_bytes() for kind in "de"]
    assert ggufs[0] == ggufs[1]
    save_ternary(packed, tmp_path / "c", tokenizer=tiny_tokenizer)
    report = verify(packed, tmp_path / "c")
    assert report.passed and "ternary layers" in report.reference.runtime


def test_casts_keep_the_files_scales(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(ternary_model("llama"), tmp_path, BITLINEAR)
    exact = load_ternary(tmp_path, trainable=False)
    short = load_ternary(tmp_path, trainable=False, dtype="bfloat16")
    assert not [record for record in caplog.records if "rounds" in record.getMessage()]
    assert {parameter.dtype for parameter in short.parameters()} == {torch.bfloat16}
    for name, layer in layers_with_codes(short).items():
        assert torch.equal(layer.weight_scale, layers_with_codes(exact)[name].weight_scale)
        assert layer.weight.dtype == torch.bfloat16


def test_options_and_refusals(tmp_path: Path) -> None:
    save(ternary_model("llama"), tmp_path, BITLINEAR)
    with pytest.raises(ValueError, match="is for frozen models; pass trainable=False"):
        load_ternary(tmp_path, codes_in_memory="int8")
    with pytest.raises(ValueError, match="codes_in_memory is 'nf4'"):
        load_ternary(tmp_path, trainable=False, codes_in_memory="nf4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="names several devices"):
        load_ternary(tmp_path, trainable=False, device_map={"model": "cpu", "lm_head": "meta"})
    for device_map in ("cpu", {"": "cpu"}, torch.device("cpu"), "auto"):
        assert load_ternary(tmp_path, trainable=False, device_map=device_map).device.type in (
            "cpu",
            str(torch.accelerator.current_accelerator()),
        )
    kept = load_ternary(
        tmp_path, trainable=False, filter_fn=lambda _, n: "mlp" not in n, activation_bits=None
    )
    up = kept.get_submodule("model.layers.0.mlp.up_proj")
    assert type(up) is torch.nn.Linear and len(up.weight.unique()) == 3
    assert kept.get_submodule("model.layers.0.self_attn.q_proj").activation_bits is None


def test_names_that_the_caller_maps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(ternary_model("llama"), tmp_path, ONLINE)
    expected = logits(load_ternary(tmp_path))
    path = tmp_path / "model.safetensors"
    renamed = {name.replace("up_proj", "wide"): tensor for name, tensor in load_file(path).items()}
    save_file(renamed, path, metadata={"format": "pt"})
    model = load_ternary(tmp_path, trainable=False, key_mapping={"wide": "up_proj"})
    assert "the whole model is loaded before it is packed" in caplog.text
    assert torch.equal(logits(model), expected)
    assert not ternary_layers(model) and len(layers_with_codes(model)) == 14
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    name = "model.layers.1.mlp.up_proj"
    save(ternary_model("llama"), tmp_path / "packed", BITLINEAR)
    change_tensors(tmp_path / "packed", lambda tensors: tensors[f"{name}.weight"][0, 0].fill_(255))
    with pytest.raises(ValueError, match=rf"model\.safetensors: tensor '{name}\.weight': A pair"):
        load_ternary(tmp_path / "packed", trainable=False)
    save(ternary_model("llama"), tmp_path / "online", ONLINE)
    nan = float("nan")
    change_tensors(tmp_path / "online", lambda tensors: tensors[f"{name}.weight"][0, 0].fill_(nan))
    with pytest.raises(ValueError, match=rf"the weight of {name} holds NaN"):
        load_ternary(tmp_path / "online", trainable=False)


MEASURE = """
import resource, sys
from bitsft.checkpoint.load import load_ternary
from transformers import LlamaForCausalLM
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
model = load_ternary(sys.argv[1], trainable=False)
print(peak() - before)
print(sum(b.untyped_storage().nbytes() for b in model.buffers()) / 2**20)
"""


def test_loading_takes_the_packed_model_and_little_more(tmp_path: Path) -> None:
    """100 M ternary weights: 24 MB packed, 384 MB as float32, 16 MB the largest layer in float32."""
    width, inner, layers = 1024, 4096, 6
    LlamaConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=16,
        vocab_size=128,
        tie_word_embeddings=True,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": BITLINEAR}))
    tensors = {
        "model.embed_tokens.weight": torch.zeros(128, width),
        "model.norm.weight": torch.ones(width),
    }
    for number in range(layers):
        prefix = f"model.layers.{number}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}{norm}.weight"] = torch.ones(width)
        shapes = {f"self_attn.{n}_proj": (width, width) for n in "qkvo"}
        shapes |= {f"mlp.{n}_proj": (inner, width) for n in ("gate", "up")}
        for layer, (rows, columns) in (shapes | {"mlp.down_proj": (width, inner)}).items():
            zeros = torch.full((rows // 4, columns), 0b01010101, dtype=torch.uint8)
            tensors[f"{prefix}{layer}.weight"] = zeros
            tensors[f"{prefix}{layer}.weight_scale"] = torch.ones(1)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    peak, held = map(float, answer.stdout.split())
    assert 24 <= held <= 26
    assert peak < 130, "packed model, one layer, and what transformers itself needs to load one"


def test_it_says_packed_layers(tmp_path: Path) -> None:
    save(ternary_model("llama"), tmp_path, BITLINEAR)
    model = load_ternary(tmp_path, trainable=False)
    assert sum(isinstance(module, PackedLinear158) for module in model.modules()) == 14
    assert model.name_or_path == str(tmp_path)
