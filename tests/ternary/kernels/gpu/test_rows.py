"""The fused quantization of rows gives the reference's bits; in Triton's interpreter where there is no GPU."""

import pytest
import torch
from torch import Tensor

from bitsft.ternary.kernels import reference
from bitsft.ternary.kernels.gpu import rows
from bitsft.ternary.kernels.gpu.rows import quantize_rows

# NumPy, which the interpreter computes with, warns of the NaN and infinities that are asked for here.
pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
SHAPES = [(1, 1), (0, 8), (3, 7), (65, 33), (70, 64), (2, 2048)]


def same(found: Tensor, expected: Tensor) -> bool:
    return found.dtype == expected.dtype and torch.equal(found.cpu(), expected.cpu())


def agrees(x: Tensor) -> bool:
    return all(map(same, quantize_rows(x), reference.quantize_rows(x)))


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kernels, on rows that are short enough for the interpreter."""
    if request.param == "many blocks":
        monkeypatch.setattr(rows, "WIDEST_BLOCK", 16)
    return str(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_of_the_reference(
    shape: tuple[int, int], dtype: torch.dtype, device: str, blocks: str
) -> None:
    torch.manual_seed(0)
    magnitudes = torch.logspace(-8, 4, shape[0])[:, None]
    x = (torch.randn(shape) * magnitudes).to(device, dtype)
    before = x.clone()
    assert agrees(x)
    assert torch.equal(x, before), "the input is only read"


def test_ties_go_to_even_and_zeros_stay(device: str, blocks: str) -> None:
    x = torch.zeros(3, 20, device=device)
    x[0, :8] = torch.tensor([127.0, 0.5, 1.5, -0.5, -1.5, -2.5, 3.5, -126.5])
    x[1, 19] = -4.0  # alone in the last block of many
    x_i8, inverse_scale = quantize_rows(x)
    assert x_i8[0, :8].tolist() == [127, 0, 2, 0, -2, -2, 4, -126]
    assert x_i8[1].tolist() == [0] * 19 + [-127]
    assert x_i8[2].tolist() == [0] * 20
    assert inverse_scale[:2].tolist() == [[1.0], [31.75]]
    assert inverse_scale[2].item() == pytest.approx(127e5)


def test_extremes(device: str, blocks: str) -> None:
    x = torch.tensor(
        [
            [3.4028235e38, -3.4028235e38, 1e38, 1e-45],  # 1 / max is not a normal number
            [1e-7, -1e-7, 5e-8, 1e-45],  # below the smallest maximum
            [1e-5, -0.99999e-5, 5e-6, -0.0],
            [1.0, 0.99999994, -0.99999994, 0.003937009],  # just above a tie at 0.5 / 127
        ],
        device=device,
    )
    assert agrees(x)
    assert quantize_rows(x)[0].tolist() == [
        [127, -127, 37, 0],
        [1, -1, 1, 0],
        [127, -127, 64, 0],
        [127, 127, -127, 1],
    ]


def test_no_product_leaves_the_range_of_int8(device: str) -> None:
    """|x · 1/s| is largest at the maximum itself; there it may be 127 and a bit, but is never clipped."""
    torch.manual_seed(0)
    largest = torch.rand(400, 1) * torch.logspace(-4, 38, 400)[:, None]
    x = largest.clamp(min=1e-5).to(device)
    assert quantize_rows(x)[0].eq(127).all()
    assert quantize_rows(-x)[0].eq(-127).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_stay_in_their_row(dtype: torch.dtype, device: str, blocks: str) -> None:
    x = torch.ones(5, 40, dtype=dtype, device=device)
    x[1, 33], x[2, 0], x[4, 39] = float("nan"), float("inf"), -float("nan")
    x_i8, inverse_scale = quantize_rows(x)
    expected_i8, expected = reference.quantize_rows(x)
    assert inverse_scale.isnan().flatten().tolist() == [False, True, False, False, True]
    assert torch.equal(inverse_scale.nan_to_num(), expected.nan_to_num())
    assert inverse_scale[2].item() == 0.0
    assert torch.equal(x_i8[2, 1:], expected_i8[2, 1:]), "a row with an infinity: codes 0"
    assert x_i8[[0, 3]].eq(127).all()


def test_inputs_that_are_not_contiguous(device: str, blocks: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 60, device=device)
    for view in (x[::2], x[:, 5:33], x.t(), x[::3, ::2], x[3].expand(4, 60), x[:, :1], x[:1].t()):
        assert agrees(view)
        assert all(result.is_contiguous() for result in quantize_rows(view))


def test_a_gradient_is_not_recorded(device: str) -> None:
    x = torch.randn(2, 8, device=device, requires_grad=True)
    assert not any(result.requires_grad for result in quantize_rows(x))


@pytest.mark.parametrize("shape", [(0, 8), (3, 7), (5, 64)])
def test_the_operator_and_its_fake_agree(shape: tuple[int, int], device: str) -> None:
    x = torch.randn(shape, device=device, dtype=torch.bfloat16)
    for argument in (x, x.t().contiguous().t()):
        checks = torch.library.opcheck(torch.ops.bitsft.quantize_rows.default, (argument,))
        assert set(checks.values()) == {"SUCCESS"}


def test_compiles_without_a_graph_break(device: str) -> None:
    def twice(x: Tensor) -> tuple[Tensor, Tensor]:
        x_i8, inverse_scale = quantize_rows(x * 2)
        return x_i8, inverse_scale / 2

    x = torch.randn(6, 24, device=device)
    compiled = torch.compile(twice, fullgraph=True, backend="aot_eager")
    for found, expected in zip(compiled(x), twice(x), strict=True):
        assert same(found, expected)
