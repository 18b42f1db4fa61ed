"""What the packed format holds, down to the bytes, and which models it refuses before any training."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.checkpoint import check_packable, save_ternary
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.pack import unpack_codes
from tests.checkpoint.tiny_models import MODELS, SIZES, ternary_model


def test_what_is_written(tmp_path: Path) -> None:
    model = ternary_model("llama")
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
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


def test_a_name_that_transformers_would_not_convert_back() -> None:
    model = MODELS["llama, tied"]()
    replace_linear_with_bitlinear(
        model, filter_fn=lambda _, name: name != "model.layers.0.mlp.up_proj"
    )
    check_packable(model)  # a dense layer by its full name harms no other
    model.up_proj = torch.nn.Linear(4, 4)  # as a pattern, "up_proj" matches every layer's
    with pytest.raises(ValueError, match=r"layers\.1\.mlp\.up_proj is ternary, but transformers"):
        check_packable(model)
