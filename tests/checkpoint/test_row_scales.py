"""A scale per row in the form that stock transformers loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.checkpoint.source_folder import source_from_folder
from bitsft.ternary import ternary_layers
from tests.checkpoint.tiny_models import logits, ternary_model

LAYER = "model.layers.0.mlp.up_proj"

LOAD_IN_STOCK = """
import sys
sys.modules["bitsft"] = None  # importing it would fail
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers.integrations.bitnet import AutoBitLinear

out, ids, *folders = sys.argv[1:]
ids = torch.tensor([[int(i) for i in ids.split()]])
found = {}
for name in folders:
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32).eval()
    assert any(type(m) is AutoBitLinear for m in model.modules())
    with torch.no_grad():
        found[name] = model(input_ids=ids).logits
save_file(found, out)
"""
IDS = torch.arange(1, 17)[None]


@pytest.mark.parametrize("name", ["llama, tied", "qwen2, biases", "bitnet, sub-norms, SiLU"])
def test_stock_transformers_computes_the_same_logits(name: str, tmp_path: Path) -> None:
    model = ternary_model(name, granularity="row").eval()
    folder = tmp_path / "model"
    save_ternary(model, folder)
    subprocess.run(
        [
            sys.executable,
            "-c",
            LOAD_IN_STOCK,
            tmp_path / "logits.safetensors",
            " ".join(str(i) for i in IDS[0].tolist()),
            folder,
        ],
        check=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
        capture_output=True,
    )
    there = load_file(tmp_path / "logits.safetensors")[str(folder)]
    with torch.no_grad():
        here = model(input_ids=IDS).logits
    assert (there - here).norm() / here.norm() < 1e-6


def test_the_layout(tmp_path: Path) -> None:
    model = ternary_model("llama", granularity="row")
    codes, scale = ternary_layers(model)[LAYER].ternary()
    save_ternary(model, tmp_path / "out")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(tensors[f"{LAYER}.weight"], codes * scale)
    assert tensors[f"{LAYER}.weight_scale"].tolist() == [1.0]
    config = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert config["linear_class"] == "autobitlinear" and config["quantization_mode"] == "offline"


def test_it_comes_back_with_the_same_codes_and_scales(tmp_path: Path) -> None:
    model = ternary_model("llama", granularity="row")
    save_ternary(model, tmp_path / "out")
    again = load_ternary(tmp_path / "out")
    assert len(ternary_layers(again)) == len(ternary_layers(model)) == 14
    for name, layer in ternary_layers(again).items():
        assert layer.granularity == "row" and layer.on_grid, name
        for found, expected in zip(
            layer.ternary(), ternary_layers(model)[name].ternary(), strict=True
        ):
            assert torch.equal(found, expected), name
    assert torch.equal(logits(again), logits(model))


def test_its_folder_is_a_source_for_other_formats(tmp_path: Path) -> None:
    model = ternary_model("qwen2, biases", granularity="row")
    save_ternary(model, tmp_path / "out")
    source = source_from_folder(tmp_path / "out")
    codes, scale = source.read_layer(LAYER)
    expected_codes, expected_scale = ternary_layers(model)[LAYER].ternary()
    assert torch.equal(codes, expected_codes) and torch.equal(scale, expected_scale)
    save_ternary(tmp_path / "out", tmp_path / "dense", "dense", dtype=torch.float32)
    dense = load_file(tmp_path / "dense" / "model.safetensors")
    assert torch.equal(dense[f"{LAYER}.weight"], codes * scale)
    save_ternary(tmp_path / "out", tmp_path / "again")
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("out", "again"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("weight_scale", torch.full((1,), 0.5), "must then be 1"),
        ("weight_scale", torch.ones(64), "must then be 1"),
        ("weight", None, "a row of the weight of .*up_proj is not"),
    ],
)
def test_what_is_no_such_checkpoint_is_refused(
    tensor: str, value: torch.Tensor | None, message: str, tmp_path: Path
) -> None:
    save_ternary(ternary_model("llama", granularity="row"), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = f"{LAYER}.{tensor}"
    tensors[name] = torch.randn_like(tensors[name]) if value is None else value
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=message):
        load_ternary(tmp_path)


def test_a_convention_is_not_for_it(tmp_path: Path) -> None:
    save_ternary(ternary_model("llama", granularity="row"), tmp_path)
    with pytest.raises(ValueError, match="'divide' is for packed checkpoints"):
        load_ternary(tmp_path, scale_convention="divide")


def test_rounded_scales_are_said_and_codes_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = ternary_model("llama", granularity="row")
    save_ternary(model, tmp_path)
    again = load_ternary(tmp_path, dtype=torch.bfloat16)
    assert "rounds the scales of the rows, which are stored in torch.float32" in caplog.text
    codes, scale = ternary_layers(again)[LAYER].ternary()
    expected_codes, expected_scale = ternary_layers(model)[LAYER].ternary()
    assert torch.equal(codes, expected_codes)
    assert torch.equal(scale, expected_scale.bfloat16().float())
