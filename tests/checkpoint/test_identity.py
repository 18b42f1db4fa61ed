"""One identity for one set of ternary weights, in whatever form it is kept."""

import copy
import hashlib
import struct
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import LlamaForCausalLM

from bitsft.checkpoint import identity, load_ternary, save_ternary, stored_tensors
from bitsft.checkpoint.identity import identity_of, ternary_base_identity
from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.ternary.packed_model import pack_model
from tests.checkpoint.tiny_models import MODELS, shaken, ternary_model


def on_grid(codes: list[list[int]], scale: float) -> BitLinear158:
    weight = torch.tensor(codes, dtype=torch.float32) * scale
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight)
    return BitLinear158.from_linear(linear)


def test_the_documented_formula() -> None:
    codes = [[1, 0], [0, -1], [-1, 1], [0, 0], [1, 1]]
    model = nn.ModuleDict({"b": on_grid(codes, 0.25), "a": on_grid([[0, 1]], 0.5)})
    # u = code + 1 of rows i, i + r, i + 2r, i + 3r in one byte, r rows of 4; missing rows are code 0
    bytes_b = bytes([0b01_10_00_10, 0b01_10_10_01, 0b01_01_01_01, 0b01_01_01_00])
    bytes_a = bytes([0b01_01_01_01, 0b01_01_01_10])
    codes_hash = hashlib.sha256(b'["a", 1, 2]\n' + bytes_a + b'["b", 5, 2]\n' + bytes_b)
    scales = b"tensor\n" + struct.pack("<f", 2.0) + b"tensor\n" + struct.pack("<f", 4.0)
    found = identity_of(model)
    assert found.codes_sha256 == codes_hash.hexdigest()
    assert found.sha256 == hashlib.sha256(codes_hash.digest() + scales).hexdigest()
    assert found.scales == {"a": 0.5, "b": 0.25}
    assert (found.granularity, found.activation_bits, found.weights) == ("tensor", 8, 12)


@pytest.mark.parametrize("kind", MODELS)
def test_equal_in_memory_and_on_disk(kind: str, tmp_path: Path) -> None:
    model = ternary_model(kind)
    expected = ternary_base_identity(model)
    save_ternary(model, tmp_path / "packed")
    assert ternary_base_identity(tmp_path / "packed") == expected
    loaded = load_ternary(tmp_path / "packed")
    assert all(layer.on_grid for layer in ternary_layers(loaded).values())
    assert ternary_base_identity(loaded) == expected
    assert ternary_base_identity(pack_model(loaded)) == expected
    assert ternary_base_identity(pack_model(copy.deepcopy(model))) == expected


def test_packed_files_are_hashed_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ternary_model("llama")
    expected = ternary_base_identity(model)
    save_ternary(model, tmp_path)
    monkeypatch.setattr(identity, "pack_codes", None)
    monkeypatch.setattr(stored_tensors, "unpack_unchecked", None)
    assert ternary_base_identity(tmp_path) == expected
    damaged = load_file(tmp_path / "model.safetensors")
    damaged["model.layers.1.mlp.up_proj.weight"][0, 0] = 255
    save_file(damaged, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"up_proj\.weight': A pair of bits is 3"):
        ternary_base_identity(tmp_path)


def test_a_scale_per_row_and_latents(tmp_path: Path) -> None:
    torch.manual_seed(0)
    dense = shaken(MODELS["llama, tied"]())
    model = replace_linear_with_bitlinear(dense, granularity="row")
    found = identity_of(model)
    assert found.granularity == "row"
    save_ternary(model, tmp_path / "rows")
    assert ternary_base_identity(tmp_path / "rows") == found.sha256
    assert ternary_base_identity(pack_model(model)) == found.sha256


def test_a_full_precision_folder_counts_as_load_ternary_would_make_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shaken(MODELS["llama, tied"]()).save_pretrained(tmp_path)
    assert ternary_base_identity(tmp_path) == ternary_base_identity(load_ternary(tmp_path))


def test_a_scale_that_a_file_cannot_give_back_to_the_bit(tmp_path: Path) -> None:
    """1/γ rounds, so that the γ which a file gives back may differ by one step."""
    model = ternary_model("llama, tied")
    changed = 0
    for layer in ternary_layers(model).values():
        codes, scale = layer.ternary()
        with torch.no_grad():
            layer.weight.copy_(codes * torch.nextafter(scale, torch.tensor(1.0)))
        layer.on_grid = True
    save_ternary(model, tmp_path / "packed")
    loaded = load_ternary(tmp_path / "packed")
    for name, layer in ternary_layers(model).items():
        changed += bool(layer.ternary()[1] != ternary_layers(loaded)[name].ternary()[1])
    assert changed, "the case that this test is for"
    assert ternary_base_identity(loaded) == ternary_base_identity(model)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_a_matrix_of_zeros(granularity: str) -> None:
    codes = torch.zeros(4, 2, dtype=torch.int8)
    rows = granularity == "row"
    scales = [torch.full((4, 1) if rows else (), value) for value in (0.5, 0.125)]
    one, other = (nn.ModuleDict({"a": PackedLinear158(codes, s, None)}) for s in scales)
    assert ternary_base_identity(one) == ternary_base_identity(other)


def test_one_code_one_scale_one_name_make_another(tiny_llama: LlamaForCausalLM) -> None:
    codes = [[1, 0], [0, -1], [-1, 1], [0, 0]]
    model = nn.ModuleDict({"a": on_grid(codes, 0.5)})
    flipped = nn.ModuleDict({"a": on_grid([*codes[:3], [0, 1]], 0.5)})
    scaled = nn.ModuleDict({"a": on_grid(codes, 0.50001)})
    renamed = nn.ModuleDict({"b": on_grid(codes, 0.5)})
    reshaped = nn.ModuleDict({"a": on_grid([[1, 0, 0, -1], [-1, 1, 0, 0]], 0.5)})
    rows = nn.ModuleDict(
        {"a": PackedLinear158(torch.tensor(codes).char(), torch.full((4, 1), 0.5), None)}
    )
    found = [identity_of(m) for m in (model, flipped, scaled, renamed, reshaped, rows)]
    assert len({one.sha256 for one in found}) == 6
    assert found[2].codes_sha256 == found[0].codes_sha256 != found[1].codes_sha256


def test_adapters_over_it_change_nothing(tiny_llama: LlamaForCausalLM) -> None:
    model = replace_linear_with_bitlinear(tiny_llama)
    expected = ternary_base_identity(model)
    prompt = PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    assert ternary_base_identity(get_peft_model(copy.deepcopy(model), prompt)) == expected
    lora = LoraConfig(target_modules=["q_proj"], modules_to_save=["up_proj"])
    adapted = get_peft_model(model, lora)
    adapted.add_adapter("second", LoraConfig(target_modules=["down_proj"]))
    assert ternary_base_identity(adapted) == expected


def test_without_ternary_layers_there_is_none(tiny_llama: LlamaForCausalLM) -> None:
    with pytest.raises(ValueError, match="LlamaForCausalLM has no ternary layer"):
        ternary_base_identity(tiny_llama)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ternary_base_identity(tmp_path / "missing")


def test_names_are_hashed_as_they_are_written() -> None:
    found = identity_of(nn.ModuleDict({"층": on_grid([[0, 1]], 0.5)}))
    named = '["층", 1, 2]\n'.encode()
    assert found.codes_sha256 == hashlib.sha256(named + bytes([0x55, 0b01_01_01_10])).hexdigest()


def test_a_matrix_whose_only_codes_stand_late_has_its_scale() -> None:
    codes = torch.zeros(8, 2, dtype=torch.int8)
    codes[3, 1] = -1  # in the second row of bytes; the first holds rows 0, 2, 4 and 6
    model = nn.ModuleDict({"a": PackedLinear158(codes, torch.tensor(0.25), None)})
    codes_hash = hashlib.sha256(
        b'["a", 8, 2]\n' + bytes([0x55, 0x55, 0b01_01_01_01, 0b01_01_00_01])
    )
    found = identity_of(model)
    assert found.scales == {"a": 0.25}
    assert found.codes_sha256 == codes_hash.hexdigest()
    scale = b"tensor\n" + struct.pack("<f", 4.0)
    assert found.sha256 == hashlib.sha256(codes_hash.digest() + scale).hexdigest()


def test_scales_by_row_of_a_height_that_fills_no_bytes() -> None:
    codes = torch.tensor([[1, 0], [0, 0], [0, -1], [0, 0], [1, 1]], dtype=torch.int8)
    scale = torch.tensor([[0.5], [9.0], [0.25], [9.0], [0.125]])
    found = identity_of(nn.ModuleDict({"a": PackedLinear158(codes, scale, None)}))
    # rows 0, 2, 4, 6 | 1, 3, 5, 7 of u = code + 1, from the lowest bits; γ of rows of zeros is 0
    packed = bytes([0b01_10_01_10, 0b01_10_00_01, 0x55, 0x55])
    scales = b"row\n" + struct.pack("<5f", 2.0, 0.0, 4.0, 0.0, 8.0)
    codes_hash = hashlib.sha256(b'["a", 5, 2]\n' + packed)
    assert found.sha256 == hashlib.sha256(codes_hash.digest() + scales).hexdigest()
    assert found.scales == {"a": pytest.approx(0.875 / 5)}
