"""Every architecture in every format that stock transformers reads, in a process that has no bitsft."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bitsft.checkpoint import save_ternary
from bitsft.ternary import ternary_layers
from bitsft.ternary.kernels import blocked
from tests.checkpoint.tiny_models import MODELS, logits, ternary_model

FORMATS = ("transformers", "latent", "dense", "compressed-tensors")
REFUSED = {("mixtral", "compressed-tensors")}
CASES = [
    (model, format) for model in MODELS for format in FORMATS if (model, format) not in REFUSED
]

LOAD_IN_STOCK = """
import sys
sys.modules["bitsft"] = None  # importing it would fail
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
found = {}
for number, folder in enumerate(sys.argv[2:]):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        found[str(number)] = model(torch.arange(2, 34).reshape(2, 16)).logits.float()
    names = [type(module).__name__ for module in model.modules()]
    found[f"{number}.ternary"] = torch.tensor(names.count("BitLinear") + names.count("AutoBitLinear"))
save_file(found, sys.argv[1])
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    root = tmp_path_factory.mktemp("formats")
    saved = {}
    for number, (name, format) in enumerate(CASES):
        saved[name, format] = root / str(number)
        dtype = torch.float32 if format == "dense" else None
        save_ternary(ternary_model(name), saved[name, format], format, dtype=dtype)  # type: ignore[arg-type]
    return saved


@pytest.fixture(scope="module")
def in_stock(
    folders: dict[tuple[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[torch.Tensor, int]]:
    """Logits in stock transformers, and how many ternary layers it made."""
    root = tmp_path_factory.mktemp("stock")
    (root / "load.py").write_text(LOAD_IN_STOCK)
    subprocess.run(
        [sys.executable, root / "load.py", root / "logits.safetensors", *folders.values()],
        check=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
        capture_output=True,
    )
    found = load_file(root / "logits.safetensors")
    return {
        case: (found[str(number)], int(found[f"{number}.ternary"]))
        for number, case in enumerate(folders)
    }


InStock = dict[tuple[str, str], tuple[torch.Tensor, int]]


@pytest.mark.parametrize("name", list(MODELS))
def test_packed_logits_are_equal_to_the_bit(name: str, in_stock: InStock) -> None:
    model = ternary_model(name)
    there, converted = in_stock[name, "transformers"]
    assert converted == len(ternary_layers(model))
    assert (logits(model) - there).abs().max() == 0.0


@pytest.mark.parametrize("name", list(MODELS))
def test_latent_logits_are_equal_to_float_rounding(name: str, in_stock: InStock) -> None:
    model = ternary_model(name)
    there, converted = in_stock[name, "latent"]
    assert converted == len(ternary_layers(model))
    here = logits(model)
    assert (here - there).norm() / here.norm() < 1e-6


@pytest.mark.parametrize("name", list(MODELS))
def test_dense_logits_are_those_of_full_precision_activations(name: str, in_stock: InStock) -> None:
    model = ternary_model(name)
    for layer in ternary_layers(model).values():
        layer.activation_bits = None
    there, converted = in_stock[name, "dense"]
    assert converted == 0
    assert (logits(model) - there).norm() / there.norm() < 1e-6


@pytest.mark.parametrize("name", [m for m, format in CASES if format == "compressed-tensors"])
def test_compressed_tensors_differ_by_the_librarys_step_of_activations(
    name: str, in_stock: InStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes a token's largest activation as 127.5 steps, BitNet as 127; else only ties differ."""
    here = logits(ternary_model(name))
    there, _ = in_stock[name, "compressed-tensors"]
    assert (here - there).norm() / here.norm() < 0.03

    def with_their_step(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = x.detach().abs().amax(dim=-1, keepdim=True) / 127.5
        return (x / scale).round().clamp(-128, 127).to(torch.int8), 1 / scale

    monkeypatch.setattr(blocked, "quantize_rows", with_their_step)
    here = logits(ternary_model(name))
    assert (here - there).norm() / here.norm() < 2e-3


def test_experts_in_one_parameter_do_not_go_into_compressed_tensors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gate_up_proj holds all experts .*format='transformers'"):
        save_ternary(ternary_model("mixtral"), tmp_path / "out", "compressed-tensors")
    assert not (tmp_path / "out").exists()


def test_what_each_format_writes(folders: dict[tuple[str, str], Path]) -> None:
    name = "model.layers.0.mlp.up_proj"
    codes, scale = ternary_layers(ternary_model("llama"))[name].ternary()
    stored = {f: load_file(folders["llama", f] / "model.safetensors") for f in FORMATS}
    assert stored["transformers"][f"{name}.weight"].dtype == torch.uint8
    assert stored["transformers"][f"{name}.weight"].shape == (16, 32)
    assert stored["transformers"][f"{name}.weight_scale"].tolist() == [1 / scale]
    assert torch.equal(stored["compressed-tensors"][f"{name}.weight"], codes)
    assert stored["compressed-tensors"][f"{name}.weight_scale"].tolist() == [[scale]] * 64
    assert torch.equal(stored["dense"][f"{name}.weight"], codes * scale)
    latent = ternary_layers(ternary_model("llama"))[name].weight
    assert torch.equal(stored["latent"][f"{name}.weight"], latent)
    for f in FORMATS:
        config = json.loads((folders["llama", f] / "config.json").read_text())
        assert (
            config.get("quantization_config", {}).get("quant_method")
            == {
                "transformers": "bitnet",
                "latent": "bitnet",
                "dense": None,
                "compressed-tensors": "compressed-tensors",
            }[f]
        )
        assert not list(folders["llama", f].glob("*.bin")), "no pickle"
