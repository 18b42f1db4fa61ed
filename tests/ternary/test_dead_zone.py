"""The signal of the dead zone against autograd of the plain formula."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bitsft.ternary import BitLinear158

from .test_linear import TOLERANCE, layer_and_input, straight_through_reference


def reference(
    x: Tensor, weight: Tensor, bias: Tensor | None, strength: float, granularity: str
) -> Tensor:
    """y + λ · Σ W where the code is 0, everything in float32."""
    dims = {"dim": (0, 1)} if granularity == "tensor" else {"dim": 1, "keepdim": True}
    gamma = weight.detach().float().abs().mean(**dims)  # type: ignore[arg-type]
    dead = (weight.float() / gamma).round().clamp(-1, 1) == 0
    y = straight_through_reference(x, weight, bias, granularity)
    return y + strength * (weight.float() * dead).sum(1)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_forward_and_gradients_equal_the_plain_formula(
    dtype: torch.dtype, bias: bool, granularity: str
) -> None:
    layer, x = layer_and_input(dtype, bias, (2, 5), granularity)
    layer.dead_zone_strength = 0.5
    grad_y = torch.randn(2, 5, 22).to(dtype)
    y = layer(x)
    y.backward(grad_y)

    x_ref = x.detach().clone().requires_grad_()
    weight_ref = layer.weight.detach().clone().requires_grad_()
    bias_ref = layer.bias.detach().clone().requires_grad_() if bias else None
    expected = reference(x_ref, weight_ref, bias_ref, 0.5, granularity)
    expected.backward(grad_y.float())

    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), expected, **TOLERANCE[dtype])
    torch.testing.assert_close(x.grad, x_ref.grad, **TOLERANCE[dtype])
    torch.testing.assert_close(layer.weight.grad, weight_ref.grad, **TOLERANCE[dtype])
    if bias:
        torch.testing.assert_close(layer.bias.grad, bias_ref.grad, **TOLERANCE[dtype])


def test_numbers_worked_out_by_hand() -> None:
    layer = BitLinear158(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0, 0.1, 0.2], [2.0, 0.3, -1.5, 0.3]]))
    assert layer.ternary()[0].tolist() == [[1, -1, 0, 0], [1, 0, -1, 0]]  # γ = 0.8
    x = torch.tensor([[127.0, 1.0, 2.0, -3.0]])
    without = layer(x)
    layer.dead_zone_strength = 0.5
    with_signal = layer(x)
    torch.testing.assert_close(with_signal - without, torch.tensor([[0.15, 0.3]]))
    with_signal.backward(torch.tensor([[1.0, -2.0]]))
    straight_through = torch.tensor([[127.0, 1.0, 2.0, -3.0], [-254.0, -2.0, -4.0, 6.0]])
    signal = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, -1.0, 0.0, -1.0]])
    torch.testing.assert_close(layer.weight.grad, straight_through + signal)


@pytest.mark.parametrize("activation_bits", [8, None])
@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_beside_the_warm_up_and_weight_only_layers(
    activation_bits: int | None, strength: float
) -> None:
    layer = BitLinear158(16, 8, activation_bits=activation_bits)
    layer.quantization_strength = strength
    x = torch.randn(3, 16)
    without = layer(x)
    without.sum().backward()
    grad_without = layer.weight.grad.clone()
    layer.weight.grad = None
    layer.dead_zone_strength = 0.25
    y = layer(x)
    y.sum().backward()
    dead = layer.ternary()[0] == 0
    expected = 0.25 * (layer.weight.detach() * dead).sum(1)
    torch.testing.assert_close(y - without, expected.expand(3, 8))
    torch.testing.assert_close(layer.weight.grad - grad_without, 3 * 0.25 * dead.float())


def test_bf16_autocast() -> None:
    layer = BitLinear158(16, 8)
    x = torch.randn(3, 16)
    grads = []
    for strength in (0.0, 0.5):
        layer.weight.grad = None
        layer.dead_zone_strength = strength
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
        y.float().sum().backward()
        assert y.dtype == torch.bfloat16 and layer.weight.grad.dtype == torch.float32
        grads.append(layer.weight.grad)
    dead = (layer.ternary()[0] == 0).float()
    torch.testing.assert_close(grads[1] - grads[0], 3 * 0.5 * dead)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(use_reentrant: bool) -> None:
    layer = BitLinear158(16, 8)
    layer.dead_zone_strength = 0.5
    x = torch.randn(3, 16, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    expected = layer.weight.grad.clone()
    layer.weight.grad = None
    again = checkpoint(layer, x, use_reentrant=use_reentrant)
    again.sum().backward()
    assert torch.equal(again, y) and torch.equal(layer.weight.grad, expected)


def test_evaluation_never_sees_it() -> None:
    layer = BitLinear158(16, 8).eval()
    x = torch.randn(3, 16)
    expected = layer(x)
    layer.dead_zone_strength = 1.0
    assert torch.equal(layer(x), expected)
    with torch.no_grad():
        assert torch.equal(layer(x), expected)
        assert not torch.equal(layer.train()(x), expected)


def test_off_saves_nothing_more_for_backward() -> None:
    def saved(strength: float) -> int:
        layer = BitLinear158(16, 8, bias=False)
        layer.dead_zone_strength = strength
        kept: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            layer(torch.randn(3, 16))
        return len(kept)

    assert saved(0.0) == 4
    assert saved(0.5) == 5, "the codes, which the layer holds anyway"


def test_dead_weights_leave_the_dead_zone() -> None:
    """Inputs without a mean say nothing about a constant target; the signal does."""

    def dead_share(strength: float) -> float:
        torch.manual_seed(0)
        layer = BitLinear158(32, 8, bias=False)
        layer.dead_zone_strength = strength
        optimizer = torch.optim.SGD(layer.parameters(), lr=2e-3)
        for _ in range(200):
            x = torch.randn(64, 32)
            loss = nn.functional.mse_loss(layer(x), torch.full((64, 8), 3.0), reduction="sum") / 64
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float((layer.ternary()[0] == 0).float().mean())

    assert dead_share(1.0) < 0.75 * dead_share(0.0)
