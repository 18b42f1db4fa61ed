"""An input is quantized once for the layers that read it, and never wrongly so."""

import gc
import weakref
from typing import Any

import pytest
import torch

from bitsft.ternary import BitLinear158, kernels
from bitsft.ternary.kernels import blocked
from bitsft.ternary.kernels.shared_input import quantized_input
from bitsft.ternary.quantize import quantize_activations


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each quantization."""
    made: list[int] = []
    original = blocked.quantize_rows

    def counted(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made.append(x.numel())
        return original(x)

    monkeypatch.setattr(blocked, "quantize_rows", counted)
    return made


def test_three_layers_quantize_once_and_save_one_tensor(calls: list[int]) -> None:
    x = torch.randn(5, 16, requires_grad=True) * 1.0
    layers = [BitLinear158(16, 8) for _ in range(3)]
    outputs = [layer(x) for layer in layers]
    assert len(calls) == 1
    saved = {y.grad_fn.saved_tensors[2].data_ptr() for y in outputs}
    assert len(saved) == 1
    torch.stack(outputs).sum().backward()
    assert all(layer.weight.grad is not None for layer in layers)


def test_backward_dequantizes_a_shared_input_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.Size] = []
    original = blocked._dequantized

    def counted(x_i8: torch.Tensor, *args: Any) -> torch.Tensor:
        made.append(x_i8.shape)
        return original(x_i8, *args)

    monkeypatch.setattr(blocked, "_dequantized", counted)
    x = torch.randn(5, 16, requires_grad=True)
    layers = [BitLinear158(16, 8) for _ in range(3)]
    torch.stack([layer(x) for layer in layers]).sum().backward()
    assert len(made) == 1
    alone = BitLinear158(16, 8)
    with torch.no_grad():
        alone.weight.copy_(layers[1].weight)
    alone(x.detach().clone()).sum().backward()
    assert torch.equal(alone.weight.grad, layers[1].weight.grad)
    assert len(made) == 2


def test_another_input_is_quantized_anew(calls: list[int]) -> None:
    x = torch.randn(5, 16)
    for tensor in (x, x.clone(), x[:], x):
        x_i8, _ = quantized_input(tensor)
        assert torch.equal(x_i8, quantize_activations(x)[0])
    assert len(calls) == 4, "only the very same tensor object counts, and only the last one"


def test_a_change_in_place_is_seen(calls: list[int]) -> None:
    x = torch.randn(4, 8)
    quantized_input(x)
    x[0, 0] = 50.0
    x_i8, inverse_scale = quantized_input(x)
    assert x_i8[0, 0] == 127 and inverse_scale[0, 0] == pytest.approx(127 / 50)
    x.resize_(2, 16)
    assert quantized_input(x)[0].shape == (2, 16)
    assert len(calls) == 3


def test_inference_tensors_are_never_shared(calls: list[int]) -> None:
    with torch.inference_mode():
        x = torch.ones(2, 8)
        quantized_input(x)
        x[0, 0] = 5.0  # no version counter to tell
        assert quantized_input(x)[1][0, 0] == pytest.approx(127 / 5)
    assert len(calls) == 2


def test_nothing_outlives_the_input() -> None:
    x = torch.randn(3, 8)
    x_i8 = weakref.ref(quantized_input(x)[0])
    assert x_i8() is not None
    del x
    gc.collect()
    assert x_i8() is None


def test_the_kernels_are_part_of_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(3, 8)
    first = quantized_input(x)[0]
    monkeypatch.setattr(kernels, "reference_is_forced", True)
    again = quantized_input(x)[0]
    assert again is not first and torch.equal(again, first)
