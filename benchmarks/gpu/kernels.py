"""The device's peaks, and each kernel alone: products against the peak of their unit, passes against a copy.

Bytes are those that have to be touched at least once, so a kernel that reads its input twice cannot reach the copy's
bandwidth. The second-level cache is cleared before each run.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from contestants import seeded
from timing import Session, in_one_line

SIZE = 8192


def peaks(session: Session) -> None:
    """bf16 and int8 products at 8192³, and copy bandwidth, as the libraries reach them here."""
    device, size = session.device, 64 if session.quick else SIZE
    a = seeded(size, size, device=device)
    a_i8 = torch.randint(-128, 128, (size, size), dtype=torch.int8, device=device)
    b_i8 = torch.randint(-1, 2, (size, size), dtype=torch.int8, device=device).t()
    source = torch.empty(2**16 if session.quick else 2**32, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    operations = 2 * size**3
    measured = {
        "bf16_tflops": ("bf16 mm", lambda: a @ a.t(), operations / 1e12),
        "int8_tops": ("int8 torch._int_mm", lambda: torch._int_mm(a_i8, b_i8), operations / 1e12),
        "copy_gb_per_second": ("copy", lambda: target.copy_(source), 2 * source.numel() / 1e9),
    }
    for key, (label, function, amount) in measured.items():
        milliseconds = session.median(function, 50)
        value = round(amount / milliseconds * 1e3, 3)
        session.summary(**{key: value})
        row = {"name": key, "label": label, "ms": milliseconds, "value": value}
        session.add(row, f"{label:24}{milliseconds:10.3f} ms {value:10.1f} {key}")


def kernels(session: Session) -> None:
    """bitsft's kernels alone."""
    if session.device != "cuda":
        session.note("the kernels run on a GPU; tests try them in Triton's interpreter")
        return
    for name, label, unit, amount, make in _cases(session.quick):
        if session.left() < 5:
            session.note(f"{label} and what follows left out: no time")
            return
        row: dict[str, Any] = {"name": name, "label": label}
        try:
            milliseconds = session.median(make())
        except Exception as error:  # the others can still be measured
            session.add({**row, "error": in_one_line(error)}, f"{label:52} {in_one_line(error)}")
            continue
        value = amount / milliseconds * 1e3
        share = round(value / session.peaks[unit], 3) if session.peaks.get(unit) else None
        row |= {"ms": milliseconds, "value": round(value, 3), "unit": unit, "share_of_peak": share}
        session.add(row, f"{label:52}{milliseconds:9.4f} ms {value:9.1f} {unit}, share {share}")
        if name == "int8 forward":
            session.summary(int8_share_of_peak=share)


Case = tuple[str, str, str, float, Callable[[], Callable[[], Any]]]


def _cases(quick: bool) -> Iterator[Case]:
    size = 256 if quick else SIZE
    square = 2 * size**3 / 1e12
    yield "int8 forward", f"ternary_product {size}³", "int8_tops", square, lambda: _forward(size)
    for tokens, features in ((4096, 2560), (32768, 2560), (32768, 6912), (32768, 14336)):
        tokens = 64 if quick else tokens
        yield (
            "quantize_rows",
            f"quantize_rows bf16 {tokens}x{features}",
            "copy_gb_per_second",
            (tokens * features * 3 + 4 * tokens) / 1e9,
            lambda tokens=tokens, features=features: _rows(tokens, features),
        )
    for dtype in (torch.bfloat16, torch.float32):
        for out, width in ((6912, 2560), (14336, 4096)):
            for flips in (False, True):
                yield (
                    "requantize_weight" if flips else "quantize_weight",
                    f"{'re' * flips}quantize_weight {dtype} {out}x{width}",
                    "copy_gb_per_second",
                    out * width * (dtype.itemsize + 1 + flips) / 1e9,
                    lambda out=out, width=width, dtype=dtype, flips=flips: _projection(
                        out, width, dtype, flips
                    ),
                )
    for out, width in ((6912, 2560), (2560, 6912), (640, 2560), (14336, 4096)):
        for tokens in (1, 8):
            yield (
                "packed_product",
                f"packed_product, {tokens} tokens, {out}x{width}",
                "copy_gb_per_second",
                (out * width / 4 + tokens * (width + 2 * out)) / 1e9,
                lambda out=out, width=width, tokens=tokens: _packed(tokens, out, width),
            )
    for way in ("cublas", "fused"):
        for gradient in ("input_gradient", "weight_gradient"):
            yield (
                gradient,
                f"{gradient} {size}³, {way}",
                "bf16_tflops",
                square,
                lambda way=way, gradient=gradient: _gradient(size, way, gradient),
            )


def _integers(low: int, high: int, *size: int) -> torch.Tensor:
    return torch.randint(low, high, size, dtype=torch.int8, device="cuda")


def _unit(*size: int) -> torch.Tensor:
    return torch.ones(size, device="cuda")


def _forward(size: int) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import ternary_product

    x_i8, codes = _integers(-128, 128, size, size), _integers(-1, 2, size, size)
    inverse_scale, scale = _unit(size, 1), _unit()
    return lambda: ternary_product(x_i8, inverse_scale, codes, scale, None, torch.bfloat16)


def _rows(tokens: int, features: int) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import quantize_rows

    x = seeded(tokens, features, device="cuda")
    return lambda: quantize_rows(x)


def _projection(out: int, width: int, dtype: torch.dtype, flips: bool) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import quantize_weight, requantize_weight

    weight = seeded(out, width, device="cuda", dtype=dtype)
    if not flips:
        return lambda: quantize_weight(weight)
    codes = _integers(-1, 2, out, width)
    return lambda: requantize_weight(weight, codes)


def _packed(tokens: int, out: int, width: int) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import packed_product
    from bitsft.ternary.pack import pack_codes

    x_i8, packed = _integers(-128, 128, tokens, width), pack_codes(_integers(-1, 2, out, width))
    inverse_scale, scale = _unit(tokens, 1), _unit()
    return lambda: packed_product(x_i8, inverse_scale, packed, scale, None, torch.bfloat16)


def _gradient(size: int, way: str, gradient: str) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import gradients

    gradients.WAY = way
    grad = seeded(size, size, device="cuda")
    if gradient == "input_gradient":
        codes, scale = _integers(-1, 2, size, size), _unit()
        return lambda: gradients.input_gradient(grad, codes, scale, torch.bfloat16)
    x_i8, inverse_scale = _integers(-128, 128, size, size), _unit(size, 1)
    return lambda: gradients.weight_gradient(grad, x_i8, inverse_scale, torch.bfloat16)
