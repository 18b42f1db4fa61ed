"""The weight that a packed layer shows can be read in every way and written to in none."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.ternary.read_only_weight import ReadOnlyWeight, read_only_weight

CODES = torch.tensor([[1, -1, 0], [0, 0, 1]], dtype=torch.int8)


def weight() -> Tensor:
    return read_only_weight(CODES, torch.tensor(0.5), torch.float32)


def test_it_shows_scale_times_codes() -> None:
    assert weight().tolist() == [[0.5, -0.5, 0.0], [0.0, 0.0, 0.5]]
    rows = read_only_weight(CODES, torch.tensor([[0.5], [2.0]]), torch.bfloat16)
    assert rows.tolist() == [[0.5, -0.5, 0.0], [0.0, 0.0, 2.0]] and rows.dtype == torch.bfloat16


def test_what_is_computed_from_it_is_ordinary() -> None:
    for result in (weight() + 1, weight().clone(), copy.deepcopy(weight()), weight().norm(dim=1)):
        assert type(result) is Tensor
        result += 1
    assert all(type(part) is ReadOnlyWeight for part in (weight().data, weight().t(), weight()[0]))
    assert [type(part) for part in weight().split(1)] == [ReadOnlyWeight, ReadOnlyWeight]
    x = torch.ones(1, 3, requires_grad=True)
    y = nn.functional.linear(x, weight())
    y.sum().backward()
    assert y.tolist() == [[0.0, 0.5]] and x.grad is not None
    assert x.grad.tolist() == [[0.5, -0.5, 0.5]]


def _assign_data(tensor: Tensor) -> None:
    tensor.data = torch.zeros(2, 3)


def _add_to_data(tensor: Tensor) -> None:
    tensor.data += torch.ones(2, 3)


def _set_item(tensor: Tensor) -> None:
    tensor[0] = 1


WRITES: dict[str, Callable[[Tensor], object]] = {
    "data =": _assign_data,
    "data +=": _add_to_data,
    "[0] =": _set_item,
    "add_": lambda w: w.add_(1),
    "view of a view": lambda w: w.data.t()[0].mul_(2),
    "out=": lambda w: torch.add(w, 1, out=w),
    "in a list": lambda w: torch._foreach_add_([w], 1),
    "initialized": nn.init.kaiming_uniform_,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_every_write_is_refused_with_the_right_ways(
    write: Callable[[Tensor], object], mode: Callable[[], torch.no_grad]
) -> None:
    with mode(), pytest.raises(RuntimeError) as refusal:
        write(weight())
    message = str(refusal.value)
    for way in ("keep the adapter", "merge_to_ternary", "TernaryLoraConfig"):
        assert way in message


def test_a_layer_gets_no_other_weight() -> None:
    layer = PackedLinear158(CODES, torch.tensor(0.5), None)
    for value in (nn.Parameter(torch.zeros(2, 3)), torch.zeros(2, 3), None):
        with pytest.raises(RuntimeError, match="cannot be merged|adapter cannot"):
            layer.weight = value  # type: ignore[assignment]
    assert layer.weight.tolist() == [[0.5, -0.5, 0.0], [0.0, 0.0, 0.5]]
    layer.weight.requires_grad = False  # some adapters of PEFT say so
    assert not list(layer.parameters())
