"""Which form a checkpoint is in, and everything that says two things at once."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bitsft.checkpoint.files import CheckpointFiles, open_checkpoint
from bitsft.checkpoint.stored_form import stored_form
from bitsft.checkpoint.stored_tensors import StoredForm
from bitsft.ternary.pack import pack_codes

CODES = torch.tensor([[1, 0], [-1, 1], [0, 0], [1, -1]], dtype=torch.int8)
BITLINEAR = {"quant_method": "bitnet", "linear_class": "bitlinear"}
OFFLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear"}
ONLINE = {**OFFLINE, "quantization_mode": "online"}
FLOATS = {"up.weight": torch.ones(4, 2), "norm.weight": torch.ones(2)}


def packed(*scales: float, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """One packed layer for each scale, and a norm."""
    tensors = {"norm.weight": torch.ones(2)}
    for number, scale in enumerate(scales):
        tensors[f"{number}.weight"] = pack_codes(CODES)
        tensors[f"{number}.weight_scale"] = torch.tensor([scale], dtype=dtype)
    return tensors


def write(folder: Path, tensors: dict[str, torch.Tensor]) -> CheckpointFiles:
    save_file(tensors, folder / "model.safetensors")
    return open_checkpoint(folder)


def form_of(
    folder: Path,
    tensors: dict[str, torch.Tensor],
    quantization: object = None,
    convention: Any = None,
) -> StoredForm:
    config = {} if quantization is None else {"quantization_config": quantization}
    return stored_form(write(folder, tensors), config, convention)


def test_dense(tmp_path: Path) -> None:
    assert form_of(tmp_path, FLOATS) == StoredForm("dense", {}, None, {})


def test_online(tmp_path: Path) -> None:
    assert form_of(tmp_path, FLOATS, ONLINE) == StoredForm("online", ONLINE, None, {})


@pytest.mark.parametrize(
    ("quantization", "convention", "scale"),
    [
        (BITLINEAR, "divide", 0.25),
        ({"quant_method": "bitnet"}, "divide", 0.25),
        ({**BITLINEAR, "quantization_mode": "online"}, "divide", 0.25),  # the class decides
        (OFFLINE, "multiply", 4.0),
        ({**OFFLINE, "quantization_mode": "offline", "use_rms_norm": False}, "multiply", 4.0),
    ],
)
def test_packed(
    tmp_path: Path, quantization: dict[str, Any], convention: str, scale: float
) -> None:
    form = form_of(tmp_path, packed(4.0), quantization)
    assert (form.kind, form.convention) == ("packed", convention)
    assert {n: s.item() for n, s in form.scales.items()} == {"0": scale}
    assert form.scales["0"].shape == ()
    codes, read = form.read_packed(open_checkpoint(tmp_path), "0")
    assert torch.equal(codes, CODES)
    assert read.item() == scale


def test_what_a_model_is_loaded_from(tmp_path: Path) -> None:
    files = write(tmp_path, packed(4.0))
    form = stored_form(files, {"quantization_config": BITLINEAR})
    tensors = form.tensors(files, torch.bfloat16)
    assert sorted(tensors) == ["0.weight", "norm.weight"]
    assert tensors["0.weight"].get_shape() == [4, 2]
    assert tensors["0.weight"][...].dtype == torch.bfloat16
    assert torch.equal(tensors["0.weight"][...].float(), 0.25 * CODES)
    assert tensors["0.weight"][1:2].tolist() == [[-0.25, 0.25]]
    assert tensors["norm.weight"][...].dtype == torch.float32, "transformers casts the others"


def test_scales_in_bfloat16_are_read_exactly(tmp_path: Path) -> None:
    form = form_of(tmp_path, packed(1.5546875, dtype=torch.bfloat16), OFFLINE)
    assert form.scales["0"].item() == 1.5546875
    assert form.scales["0"].dtype == torch.float32


@pytest.mark.parametrize(
    ("tensors", "quantization", "message"),
    [
        (FLOATS, BITLINEAR, r"says that the weights are packed.*'up.weight'.*float32.*'online'"),
        ({"norm.weight": torch.ones(2)}, BITLINEAR, "but no tensor is. If these are master"),
        (packed(2.0), ONLINE, r"says online.*'0.weight' in .*model\.safetensors is packed"),
        (packed(2.0), None, "has no quantization_config, but tensor '0.weight'"),
        (FLOATS, {"quant_method": "gptq", "bits": 4}, "quant_method is 'gptq'"),
        (FLOATS, {"quant_method": "compressed-tensors"}, "quant_method is 'compressed-tensors'"),
        (FLOATS, {"quant_method": "bitsandbytes"}, "quant_method is 'bitsandbytes'"),
        (FLOATS, {"bits": 4}, "names no quant_method"),
        (FLOATS, [], "names no quant_method"),
        (FLOATS, {**ONLINE, "linear_class": "x"}, "linear_class is 'x'; transformers knows"),
        (FLOATS, {**ONLINE, "quantization_mode": "x"}, "quantization_mode is 'x'"),
        (FLOATS, {**ONLINE, "use_rms_norm": True}, "use_rms_norm is true"),
        (
            {"up.weight": pack_codes(CODES)},
            BITLINEAR,
            r"model\.safetensors: tensor 'up.weight' is packed \(uint8\) but 'up.weight_scale' is mis",
        ),
        (
            {**FLOATS, "up.weight_scale": torch.ones(1)},
            BITLINEAR,
            r"'up.weight_scale' stands beside a weight that is torch\.float32",
        ),
        ({"up.weight_scale": torch.ones(1)}, BITLINEAR, "has no 'up.weight' beside it"),
        (
            {"up.weight": torch.ones(4, 2, dtype=torch.int8)},
            None,
            r"'up.weight' is torch\.int8; bitsft reads float weights and packed",
        ),
        (
            {"up.weight": pack_codes(CODES)[0], "up.weight_scale": torch.ones(1)},
            BITLINEAR,
            r"'up.weight' is packed \(uint8\) and has shape \(2,\)",
        ),
        (
            {"up.weight": pack_codes(CODES), "up.weight_scale": torch.ones(4, 1)},
            BITLINEAR,
            r"'up.weight_scale' has shape \(4, 1\); .* one scale a matrix",
        ),
        (
            {"up.weight": pack_codes(CODES), "up.weight_scale": torch.ones(1, dtype=torch.int32)},
            BITLINEAR,
            r"'up.weight_scale' is torch\.int32; a scale must be a float",
        ),
    ],
)
def test_config_and_tensors_disagree(
    tmp_path: Path, tensors: dict[str, torch.Tensor], quantization: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        form_of(tmp_path, tensors, quantization)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e-45])
@pytest.mark.parametrize("quantization", [BITLINEAR, OFFLINE])
def test_scales_that_are_none(tmp_path: Path, bad: float, quantization: dict[str, Any]) -> None:
    if bad == 1e-45 and quantization is OFFLINE:  # tiny, but a number; its reciprocal is not
        assert form_of(tmp_path, packed(bad), OFFLINE).scales["0"] > 0
        return
    with pytest.raises(
        ValueError, match=r"model\.safetensors: tensor '1.weight_scale' is .*finite"
    ):
        form_of(tmp_path, packed(2.0, bad), quantization)


def test_a_damaged_byte(tmp_path: Path) -> None:
    tensors = packed(4.0)
    tensors["0.weight"][0, 1] = 0b11
    files = write(tmp_path, tensors)
    form = stored_form(files, {"quantization_config": BITLINEAR})
    with pytest.raises(ValueError, match=r"model\.safetensors: tensor '0.weight': .*bits is 3"):
        form.read_packed(files, "0")


@pytest.mark.parametrize("gamma", [0.005, 0.02, 0.1, 0.2])
def test_the_wrong_convention_is_refused(tmp_path: Path, gamma: float) -> None:
    with pytest.raises(ValueError, match="wrong convention") as refused:
        form_of(tmp_path, packed(gamma, gamma, gamma), BITLINEAR)  # γ, read as 1/γ
    for part in (
        f"median γ of 3 layers is {1 / gamma:.4g}",
        f"the other way round it is {gamma:.4g}",
        f"'0.weight_scale' in {tmp_path / 'model.safetensors'} is {gamma:.4g}",
        "BitLinear (linear_class 'bitlinear') divides by weight_scale, which then holds 1/γ",
        "AutoBitLinear (linear_class 'autobitlinear') multiplies by it, and it holds γ",
        f"linear_class to 'autobitlinear' in {tmp_path / 'config.json'}",
        "pass scale_convention='multiply'",
    ):
        assert part in str(refused.value)
    with pytest.raises(ValueError, match="'bitlinear' in .*scale_convention='divide'"):
        form_of(tmp_path, packed(1 / gamma, 1 / gamma), OFFLINE)  # 1/γ, read as γ


def test_with_biases_the_class_is_no_remedy(tmp_path: Path) -> None:
    tensors = {**packed(0.02), "0.bias": torch.ones(4)}
    with pytest.raises(ValueError, match="Pass scale_convention='multiply' .*biases") as refused:
        form_of(tmp_path, tensors, BITLINEAR)
    assert "Set linear_class" not in str(refused.value)


@pytest.mark.parametrize(
    ("quantization", "convention", "bias"),
    [(BITLINEAR, None, 2.0), (BITLINEAR, "multiply", 2.0), (OFFLINE, None, 1.0)],
)
def test_a_bias_is_scaled_where_transformers_scales_it(
    tmp_path: Path, quantization: dict[str, Any], convention: Any, bias: float
) -> None:
    files = write(tmp_path, {**packed(0.5), "0.bias": torch.full((4,), 2.0)})
    form = stored_form(files, {"quantization_config": quantization}, convention)
    assert form.tensors(files, torch.float32)["0.bias"][...].tolist() == [bias] * 4


def test_one_odd_layer_is_not_the_convention(tmp_path: Path) -> None:
    form = form_of(tmp_path, packed(50.0, 50.0, 0.1), BITLINEAR)
    assert form.scales["2"].item() == pytest.approx(10.0)


def test_a_large_true_scale_is_left_alone(tmp_path: Path) -> None:
    form = form_of(tmp_path, packed(1.555, 1.2, 2.0), OFFLINE)  # bitnet-b1.58-2B-4T's size
    assert form.scales["0"].item() == pytest.approx(1.555)


def test_where_neither_is_plausible_config_json_is_believed(tmp_path: Path) -> None:
    form = form_of(tmp_path, packed(1e-5, 1e-5), BITLINEAR)
    assert form.scales["0"].item() == pytest.approx(1e5)


@pytest.mark.parametrize(
    ("quantization", "convention", "scale"),
    [(BITLINEAR, "multiply", 0.02), (OFFLINE, "divide", 50.0), (BITLINEAR, "divide", 50.0)],
)
def test_the_callers_convention_counts(
    tmp_path: Path, quantization: dict[str, Any], convention: str, scale: float
) -> None:
    form = form_of(tmp_path, packed(0.02), quantization, convention)
    assert form.convention == convention
    assert form.scales["0"].item() == pytest.approx(scale)


def test_a_convention_for_no_packed_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scale_convention='divide' is for packed checkpoints"):
        form_of(tmp_path, FLOATS, ONLINE, "divide")
    with pytest.raises(ValueError, match="scale_convention is 'other'; use 'divide' or 'multiply'"):
        form_of(tmp_path, packed(2.0), BITLINEAR, "other")
