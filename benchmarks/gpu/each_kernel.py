"""The device's peaks, and each kernel alone: products against the peak of their unit, passes against a copy.

Bytes are those that have to be touched at least once, so a kernel that reads its input twice cannot reach the copy's
bandwidth. The second-level cache is cleared before each run.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from timing import Session, in_one_line, seeded

SIZE = 8192


def peaks(session: Session) -> None:
    """bf16 and int8 products at 8192³, and copy bandwidth, as the libraries reach them here."""
    device, size = session.device, 64 if session.quick else SIZE
    a, b = seeded(size, size, device=device), seeded(size, size, device=device)
    a_i8 = torch.randint(-128, 128, (size, size), dtype=torch.int8, device=device)
    b_i8 = torch.randint(-1, 2, (size, size), dtype=torch.int8, device=device).t()
    source = torch.empty(2**16 if session.quick else 2**32, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    operations = 2 * size**3
    measured = {
        "bf16_tflops": ("bf16 mm", lambda: a @ b.t(), operations / 1e12),
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
    if session.device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        session.note("on a CPU the kernels run in Triton's interpreter only: TRITON_INTERPRET=1")
        return
    for name, label, unit, amount, make in _cases(session.device, session.quick):
        if session.left() < 5:
            session.note(f"{label} and what follows left out: no time")
            return
        row: dict[str, Any] = {"name": name, "label": label}
        try:
            with session.at_most(session.left() - 2):
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


def _cases(device: str, quick: bool) -> Iterator[Case]:
    """Name, text, unit, amount in it, and what makes the inputs and returns the call."""

    def cut(size: int) -> int:
        return max(8, size // 2048 * 8) if quick else size

    size = cut(SIZE)
    square = 2 * size**3 / 1e12
    yield (
        "int8 forward",
        f"ternary_product {size}³",
        "int8_tops",
        square,
        lambda: _forward(size, device),
    )
    for tokens, features in ((4096, 2560), (32768, 2560), (32768, 6912), (32768, 14336)):
        tokens, features = cut(tokens), cut(features)
        yield (
            "quantize_rows",
            f"quantize_rows bf16 {tokens}x{features}",
            "copy_gb_per_second",
            (tokens * features * 3 + 4 * tokens) / 1e9,
            lambda tokens=tokens, features=features: _rows(tokens, features, device),
        )
    for dtype in (torch.bfloat16, torch.float32):
        for out, width in ((6912, 2560), (14336, 4096)):
            out, width = cut(out), cut(width)
            for flips in (False, True):
                yield (
                    "requantize_weight" if flips else "quantize_weight",
                    f"{'re' * flips}quantize_weight {dtype} {out}x{width}",
                    "copy_gb_per_second",
                    out * width * (dtype.itemsize + 1 + flips) / 1e9,
                    lambda out=out, width=width, dtype=dtype, flips=flips: _projection(
                        out, width, dtype, flips, device
                    ),
                )
    for out, width in ((6912, 2560), (2560, 6912), (640, 2560), (14336, 4096)):
        out, width = cut(out), cut(width)
        for tokens in (1, 8):
            yield (
                "packed_product",
                f"packed_product, {tokens} tokens, {out}x{width}",
                "copy_gb_per_second",
                (out * width / 4 + tokens * (width + 2 * out)) / 1e9,
                lambda out=out, width=width, tokens=tokens: _packed(tokens, out, width, device),
            )
    for way in ("cublas", "fused"):
        for gradient in ("input_gradient", "weight_gradient"):
            yield (
                gradient,
                f"{gradient} {size}³, {way}",
                "bf16_tflops",
                square,
                lambda way=way, gradient=gradient: _gradient(size, way, gradient, device),
            )


def _integers(low: int, high: int, *size: int, device: str) -> torch.Tensor:
    return torch.randint(low, high, size, dtype=torch.int8, device=device)


def _unit(*size: int, device: str) -> torch.Tensor:
    return torch.ones(size, device=device)


def _forward(size: int, device: str) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import ternary_product

    x_i8, codes = (
        _integers(-128, 128, size, size, device=device),
        _integers(-1, 2, size, size, device=device),
    )
    inverse_scale, scale = _unit(size, 1, device=device), _unit(device=device)
    return lambda: ternary_product(x_i8, inverse_scale, codes, scale, None, torch.bfloat16)


def _rows(tokens: int, features: int, device: str) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import quantize_rows

    x = seeded(tokens, features, device=device)
    return lambda: quantize_rows(x)


def _projection(
    out: int, width: int, dtype: torch.dtype, flips: bool, device: str
) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import quantize_weight, requantize_weight

    weight = seeded(out, width, device=device, dtype=dtype)
    if not flips:
        return lambda: quantize_weight(weight)
    codes = _integers(-1, 2, out, width, device=device)
    return lambda: requantize_weight(weight, codes)


def _packed(tokens: int, out: int, width: int, device: str) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import packed_product
    from bitsft.ternary.pack import pack_codes

    x_i8, packed = (
        _integers(-128, 128, tokens, width, device=device),
        pack_codes(_integers(-1, 2, out, width, device=device)),
    )
    inverse_scale, scale = _unit(tokens, 1, device=device), _unit(device=device)
    return lambda: packed_product(x_i8, inverse_scale, packed, scale, None, torch.bfloat16)


def _gradient(size: int, way: str, gradient: str, device: str) -> Callable[[], Any]:
    from bitsft.ternary.kernels.gpu import gradients

    gradients.WAY = way
    grad = seeded(size, size, device=device)
    if gradient == "input_gradient":
        codes, scale = _integers(-1, 2, size, size, device=device), _unit(device=device)
        return lambda: gradients.input_gradient(grad, codes, scale, torch.bfloat16)
    x_i8, inverse_scale = (
        _integers(-128, 128, size, size, device=device),
        _unit(size, 1, device=device),
    )
    return lambda: gradients.weight_gradient(grad, x_i8, inverse_scale, torch.bfloat16)
