"""`BitLinear158` against the formulas, in every dtype and state."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitsft.ternary import BitLinear158, hold_codes
from bitsft.ternary.held_codes import codes_at_each_use

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 6e-2},
    torch.float16: {"rtol": 4e-3, "atol": 1e-2},
}


def straight_through_reference(
    x: Tensor, weight: Tensor, bias: Tensor | None, granularity: str = "tensor"
) -> Tensor:
    """Figure 3 of Microsoft's training FAQ, in float32: fake quantization with detached differences."""
    x, weight = x.float(), weight.float()
    dims = {"dim": (0, 1)} if granularity == "tensor" else {"dim": 1, "keepdim": True}
    gamma = weight.abs().mean(**dims).clamp(min=1e-5)  # type: ignore[arg-type]
    quantized = (weight / gamma).round().clamp(-1, 1) * gamma
    s = x.abs().amax(-1, keepdim=True).clamp(min=1e-5) / 127
    x_quantized = (x / s).round().clamp(-128, 127) * s
    weight = weight + (quantized - weight).detach()
    x = x + (x_quantized - x).detach()
    return F.linear(x, weight, None if bias is None else bias.float())


def layer_and_input(
    dtype: torch.dtype, bias: bool, leading: tuple[int, ...], granularity: str = "tensor"
) -> tuple[BitLinear158, Tensor]:
    layer = BitLinear158(37, 22, bias=bias, dtype=dtype, granularity=granularity)  # type: ignore[arg-type]
    return layer, torch.randn(*leading, 37).to(dtype).requires_grad_()


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("leading", [(), (3,), (2, 5), (2, 1, 4)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_forward_and_both_gradients_equal_the_formulas(
    dtype: torch.dtype, bias: bool, leading: tuple[int, ...], granularity: str
) -> None:
    layer, x = layer_and_input(dtype, bias, leading, granularity)
    grad_y = torch.randn(*leading, 22).to(dtype)
    y = layer(x)
    y.backward(grad_y)

    x_ref = x.detach().clone().requires_grad_()
    weight_ref = layer.weight.detach().clone().requires_grad_()
    bias_ref = layer.bias.detach().clone().requires_grad_() if bias else None
    expected = straight_through_reference(x_ref, weight_ref, bias_ref, granularity)
    expected.backward(grad_y.float())

    assert y.dtype == dtype and y.shape == (*leading, 22)
    torch.testing.assert_close(y.float(), expected, **TOLERANCE[dtype])
    torch.testing.assert_close(x.grad, x_ref.grad, **TOLERANCE[dtype])
    torch.testing.assert_close(layer.weight.grad, weight_ref.grad, **TOLERANCE[dtype])
    if bias:
        torch.testing.assert_close(layer.bias.grad, bias_ref.grad, **TOLERANCE[dtype])


def test_forward_multiplies_by_exactly_the_ternary_pair() -> None:
    layer = BitLinear158(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0, 0.1, 0.0], [2.0, 0.2, -1.5, 0.6]]))
    codes, scale = layer.ternary()
    assert codes.tolist() == [[1, -1, 0, 0], [1, 0, -1, 1]]
    assert scale.shape == () and scale.item() == pytest.approx(0.8)
    x = torch.tensor([[127.0, 1.0, 2.0, -3.0]])
    torch.testing.assert_close(layer(x), torch.tensor([[126 * 0.8, 122 * 0.8]]))


def test_row_scales_have_one_gamma_per_output() -> None:
    layer = BitLinear158(3, 2, granularity="row")
    assert layer.ternary()[1].shape == (2, 1)


def test_an_empty_batch() -> None:
    layer = BitLinear158(8, 4)
    x = torch.zeros(0, 8, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad.abs().sum() == 0


def test_non_contiguous_input() -> None:
    layer = BitLinear158(8, 4)
    x = torch.randn(8, 6).t()
    torch.testing.assert_close(layer(x), layer(x.contiguous()), rtol=0, atol=0)


def test_weight_only_layer_keeps_its_activations() -> None:
    layer = BitLinear158(16, 8, activation_bits=None)
    x = torch.randn(5, 16, requires_grad=True)
    codes, scale = layer.ternary()
    y = layer(x)
    y.sum().backward()
    torch.testing.assert_close(y, F.linear(x, codes * scale, layer.bias))
    torch.testing.assert_close(layer.weight.grad, x.detach().sum(0).expand(8, 16))


def test_under_autocast_the_output_has_its_dtype_and_gradients_flow() -> None:
    layer = BitLinear158(32, 16)
    x = torch.randn(4, 32, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), rtol=1e-2, atol=1e-2)
    y.float().sum().backward()
    assert x.grad.dtype == torch.float32 and layer.weight.grad.dtype == torch.float32
    codes, scale = layer.ternary()
    torch.testing.assert_close(x.grad[0], (codes * scale).sum(0), rtol=2e-2, atol=2e-2)


def test_torch_compile_gives_the_same_values_and_gradients() -> None:
    layer = BitLinear158(32, 16)
    x = torch.randn(4, 32, requires_grad=True)
    compiled = torch.compile(layer, fullgraph=True)
    y = compiled(x)
    y.sum().backward()
    compiled_grads = x.grad.clone(), layer.weight.grad.clone()
    x.grad = layer.weight.grad = None
    expected = layer(x)
    expected.sum().backward()
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(compiled_grads[0], x.grad)
    torch.testing.assert_close(compiled_grads[1], layer.weight.grad)


def test_state_dict_has_the_keys_of_a_linear_layer() -> None:
    layer = BitLinear158(6, 4)
    assert list(layer.state_dict()) == ["weight", "bias"]
    twin = nn.Linear(6, 4)
    twin.load_state_dict(layer.state_dict())
    layer.load_state_dict(twin.state_dict())


def test_from_linear_shares_the_parameters_and_the_random_state() -> None:
    linear = nn.Linear(6, 4)
    linear.eval()
    state = torch.random.get_rng_state()
    layer = BitLinear158.from_linear(linear)
    assert layer.weight is linear.weight and layer.bias is linear.bias
    assert not layer.training
    assert torch.equal(torch.random.get_rng_state(), state)


def test_on_the_grid_the_weight_says_gamma_itself() -> None:
    layer = BitLinear158(24, 12)
    x = torch.randn(3, 24)
    y, (codes, scale) = layer(x), layer.ternary()
    layer.move_to_grid_()
    assert torch.equal(layer.weight, codes * scale)
    assert torch.equal(layer.ternary()[1], scale) and torch.equal(layer(x), y)
    again = BitLinear158.from_linear(nn.Linear(24, 12))
    again.load_state_dict(
        layer.state_dict()
    )  # a weight on the grid is recognised wherever it lands
    assert again.on_grid and torch.equal(again(x), y)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_grid_and_latents_give_the_same_output(dtype: torch.dtype, granularity: str) -> None:
    layer, x = layer_and_input(dtype, True, (5,), granularity)
    y = layer(x)
    layer.move_to_grid_()
    assert torch.equal(layer(x), y)
    codes = layer.ternary()[0]
    layer.move_to_latents_()
    assert not layer.on_grid
    assert torch.equal(layer.ternary()[0], codes)
    torch.testing.assert_close(layer(x), y, **TOLERANCE[dtype])


def test_leaving_the_grid_by_hand_is_noticed() -> None:
    layer = BitLinear158(8, 4)
    layer.move_to_grid_()
    with torch.no_grad():
        layer.weight[0, 0] = 0.123
    expected = layer.weight.abs().mean()
    with pytest.warns(UserWarning, match="changed in place outside bitsft"):
        torch.testing.assert_close(layer.ternary()[1], expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_casting_a_grid_stays_on_the_grid(dtype: torch.dtype) -> None:
    layer = BitLinear158(16, 8)
    layer.move_to_grid_()
    codes = layer.ternary()[0]
    layer.to(dtype)
    codes_again, scale = layer.ternary()
    assert torch.equal(codes_again, codes)
    assert torch.equal(layer.weight, (codes * scale).to(dtype))


def test_deepcopy_is_independent_and_equal() -> None:
    layer = BitLinear158(16, 8, bias=False)
    layer.move_to_grid_()
    x = torch.randn(2, 16)
    with hold_codes(layer):
        y = layer(x)
        twin = copy.deepcopy(layer)
        assert torch.equal(twin(x), y)
        twin.weight.data.neg_()
        assert torch.equal(twin(x), -y), "a copy holds no codes"
        assert torch.equal(layer(x), y)


@pytest.mark.parametrize(
    "edit",
    [
        lambda layer: layer.weight.detach().neg_(),
        lambda layer: layer.load_state_dict({"weight": -layer.weight, "bias": layer.bias}),
        lambda layer: setattr(layer.weight, "data", -layer.weight.data),
        lambda layer: setattr(layer, "weight", nn.Parameter(-layer.weight.detach())),
    ],
    ids=["in place", "load_state_dict", "data assigned", "new parameter"],
)
def test_held_codes_follow_every_visible_change(edit: object) -> None:
    layer = BitLinear158(16, 8, bias=True)
    with hold_codes(layer):
        before = layer.ternary()[0].clone()
        assert layer.ternary()[0] is layer.ternary()[0], "held: computed once"
        edit(layer)  # type: ignore[operator]
        assert torch.equal(layer.ternary()[0], -before)


def test_dropped_codes_follow_writes_around_the_version_counter() -> None:
    layer = BitLinear158(16, 8)
    with hold_codes(layer):
        before = layer.ternary()[0].clone()
        layer.weight.data.neg_()  # as an optimizer with raw pointers does
        layer.drop_codes()
        assert torch.equal(layer.ternary()[0], -before)
        assert layer.flip_count == (before != 0).sum()


def test_outside_hold_codes_nothing_is_kept() -> None:
    layer = BitLinear158(16, 8)
    with hold_codes(layer):
        layer.ternary()
    before = layer.ternary()[0].clone()
    layer.weight.data.neg_()
    assert torch.equal(layer.ternary()[0], -before)


def test_codes_at_each_use_leave_none_for_backward_and_change_no_gradient() -> None:
    layer = BitLinear158(16, 8)
    x = torch.randn(3, 16, requires_grad=True)
    expected = torch.autograd.grad(layer(x).square().sum(), [x, layer.weight, layer.bias])
    kept: list[Tensor] = []
    keep = torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t)
    with codes_at_each_use(layer):
        with keep:
            loss = layer(x).square().sum()
        found = torch.autograd.grad(loss, [x, layer.weight, layer.bias])
        assert layer._held is None
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert [t.shape for t in kept if t.dtype == torch.int8] == [x.shape]
    assert {id(t) for t in kept} >= {id(layer.weight)}, "a parameter, which is there anyway"


def test_codes_at_each_use_notice_a_weight_that_changed_before_backward() -> None:
    layer = BitLinear158(16, 8)
    with codes_at_each_use(layer):
        y = layer(torch.randn(3, 16, requires_grad=True))
        with torch.no_grad():
            layer.weight.neg_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_half_strength_mixes_full_precision_and_ternary() -> None:
    layer = BitLinear158(16, 8, bias=False)
    x = torch.randn(3, 16)
    layer.quantization_strength = 0.0
    torch.testing.assert_close(layer(x), F.linear(x, layer.weight))
    layer.quantization_strength = 0.5
    codes, scale = layer.ternary()
    s = x.abs().amax(-1, keepdim=True) / 127
    mixed_x = (x + (x / s).round() * s) / 2
    torch.testing.assert_close(layer(x), F.linear(mixed_x, (layer.weight + codes * scale) / 2))
    layer.eval()  # evaluation is always fully quantized
    layer_at_full_strength = layer(x)
    layer.quantization_strength = 1.0
    assert torch.equal(layer(x), layer_at_full_strength)


def test_partly_quantized_gradients_pass_straight_through() -> None:
    layer = BitLinear158(16, 8, bias=False)
    layer.quantization_strength = 0.25
    x = torch.randn(3, 16, requires_grad=True)
    layer(x).sum().backward()
    codes, scale = layer.ternary()
    weight = torch.lerp(layer.weight.detach(), codes * scale, 0.25)
    torch.testing.assert_close(x.grad[0], weight.sum(0))


def test_a_frozen_layer_passes_the_input_gradient_only() -> None:
    layer = BitLinear158(16, 8)
    layer.requires_grad_(False)
    x = torch.randn(3, 16, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None and x.grad is not None


class TestBadInput:
    def test_wrong_width(self) -> None:
        layer = BitLinear158.from_linear(nn.Linear(8, 4), full_name="model.layers.3.mlp.up_proj")
        with pytest.raises(
            ValueError, match=r"model\.layers\.3\.mlp\.up_proj.*\(2, 9\).*in_features=8"
        ):
            layer(torch.randn(2, 9))

    def test_integer_input(self) -> None:
        with pytest.raises(TypeError, match="torch.int64.*pass float32"):
            BitLinear158(8, 4)(torch.ones(2, 8, dtype=torch.long))

    def test_scalar_input(self) -> None:
        with pytest.raises(ValueError, match="shape is \\(\\)"):
            BitLinear158(8, 4)(torch.tensor(1.0))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_not_finite(self, value: float) -> None:
        linear = nn.Linear(8, 4)
        linear.weight.data[1, 2] = value
        with pytest.raises(ValueError, match="'head'.*NaN or infinite.*lower the learning rate"):
            BitLinear158.from_linear(linear, full_name="head")
        layer = BitLinear158(8, 4)
        layer.weight.data[1, 2] = value
        with pytest.raises(ValueError, match="NaN or infinite"):
            layer(torch.randn(2, 8))

    def test_empty_weight(self) -> None:
        linear = nn.Linear(4, 2)
        linear.weight = nn.Parameter(torch.zeros(0, 4))
        with pytest.raises(ValueError, match="empty weight"):
            BitLinear158.from_linear(linear)

    def test_options(self) -> None:
        with pytest.raises(ValueError, match="activation_bits is 4"):
            BitLinear158(8, 4, activation_bits=4)
        with pytest.raises(ValueError, match="granularity is 'group'"):
            BitLinear158(8, 4, granularity="group")  # type: ignore[arg-type]
