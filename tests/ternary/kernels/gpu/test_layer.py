"""A whole layer and a whole training step on the Triton kernels: values, gradients, compile, and no wait for the device."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.ternary import BitLinear158, kernels, replace_linear_with_bitlinear
from bitsft.ternary.held_codes import hold_codes
from bitsft.ternary.kernels import gpu, reference
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158


@pytest.fixture
def on_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every choice falls on the Triton kernels, CPU tensors and torch.compile included."""
    for name in ("blocked", "reference", "gpu_kernels"):
        monkeypatch.setattr(kernels, name, gpu)


def forward_and_backward(layer: torch.nn.Module, x: torch.Tensor, autocast: bool) -> list[Any]:
    layer.zero_grad()
    x = x.detach().clone().requires_grad_()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=autocast):
        y = layer(x)
    (y.float() ** 2).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_layer_agrees_with_the_reference(
    granularity: Any, autocast: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = BitLinear158(40, 24, granularity=granularity, device=device)
    x = torch.randn(2, 9, 40, device=device)
    results = []
    for module in (reference, gpu):
        for name in ("blocked", "gpu_kernels"):
            monkeypatch.setattr(kernels, name, module)
        results.append(forward_and_backward(layer, x, autocast))
    tolerance = 2e-2 if autocast else 1e-5
    for found, expected in zip(results[1], results[0], strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * 10)


def test_on_the_grid_a_layer_has_the_bits_of_the_reference(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = BitLinear158(40, 24, device=device)
    layer.move_to_grid_()  # γ does not depend on the order of a sum there
    x = torch.randn(5, 40, device=device)
    results = []
    for module in (reference, gpu):
        for name in ("blocked", "gpu_kernels"):
            monkeypatch.setattr(kernels, name, module)
        results.append(forward_and_backward(layer, x, autocast=False))
    for found, expected in zip(results[1], results[0], strict=True):
        assert torch.equal(found, expected)


@pytest.mark.usefixtures("on_triton")
def test_torch_compile_takes_the_layer_in_one_graph(device: str) -> None:
    torch.manual_seed(0)
    layer = BitLinear158(32, 24, device=device)
    x = torch.randn(8, 32, device=device)
    plain = forward_and_backward(layer, x, autocast=False)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for found, expected in zip(forward_and_backward(compiled, x, False), plain, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("on_triton")
def test_torch_compile_takes_a_packed_layer_in_one_graph(device: str) -> None:
    layer = BitLinear158(32, 24, device=device)
    packed = PackedLinear158.from_bitlinear(layer)
    x = torch.randn(1, 32, device=device)
    compiled = torch.compile(packed, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        assert torch.equal(compiled(x), layer(x))


def tiny_llama(device: str) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return replace_linear_with_bitlinear(LlamaForCausalLM(config)).to(device)  # type: ignore[return-value]


@pytest.mark.usefixtures("on_triton")
def test_recomputation_under_gradient_checkpointing_gives_the_same_gradients(device: str) -> None:
    ids = torch.tensor([[3, 5, 7, 9, 11]], device=device)
    gradients = []
    for checkpointing in (False, True):
        model = tiny_llama(device).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        with hold_codes(model):
            model(input_ids=ids, labels=ids).loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    for found, expected in zip(*gradients, strict=True):
        assert torch.equal(found, expected)


class _NoWaiting(TorchDispatchMode):
    """Raises where a GPU would have to be waited for: a value or a size that depends on data."""

    WAITS = frozenset(
        {
            "aten._local_scalar_dense.default",
            "aten.is_nonzero.default",
            "aten.nonzero.default",
            "aten.masked_select.default",
            "aten.equal.default",
        }
    )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) in self.WAITS:
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def no_waiting() -> Iterator[None]:
    with _NoWaiting():
        yield


@pytest.mark.usefixtures("on_triton", "no_waiting")
@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("on_grid", [False, True])
def test_no_kernel_waits_for_the_device(granularity: Any, on_grid: bool, device: str) -> None:
    weight = torch.randn(8, 12, device=device)
    codes, scale = gpu.quantize_weight(weight, granularity, on_grid=on_grid)
    gpu.requantize_weight(weight, codes, granularity, on_grid=on_grid)
    x_i8, inverse_scale = gpu.quantize_rows(torch.randn(3, 12, device=device))
    y = gpu.ternary_product(x_i8, inverse_scale, codes, scale, None, torch.bfloat16)
    gpu.input_gradient(y, codes, scale, torch.bfloat16)
    gpu.weight_gradient(y, x_i8, inverse_scale, torch.bfloat16)
    packed = torch.zeros(2, 12, dtype=torch.uint8, device=device)
    y = gpu.packed_product(x_i8, inverse_scale, packed, scale, None, torch.bfloat16)
    assert y.shape == (3, 8)  # came so far: a wait would have raised


def test_the_watch_itself_sees_a_wait() -> None:
    with pytest.raises(AssertionError, match="waits for the device"), _NoWaiting():
        torch.ones(1).item()


@pytest.mark.usefixtures("on_triton")
def test_a_step_counts_flips_on_the_device(device: str) -> None:
    layer = BitLinear158(4, 4, bias=False, device=device)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(4))
    x = torch.randn(2, 4, device=device)
    with hold_codes(layer):
        layer(x)
        with torch.no_grad():
            layer.weight.neg_()
        layer(x)
        assert torch.is_tensor(layer.flip_count) and layer.flip_count.tolist() == 4
    assert not ternary_layers(torch.nn.Linear(1, 1))
