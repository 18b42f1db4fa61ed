"""Forecasts as aligned text: one by its parts, several side by side."""

from collections.abc import Sequence

from bitsft.memory.forecast import MemoryForecast
from bitsft.memory.methods import METHODS


def gigabytes(size: int) -> str:
    """`12.34 GB`, powers of ten."""
    return f"{size / 1e9:.2f} GB"


def by_part(forecast: MemoryForecast) -> str:
    """The parts of one forecast, the peak, and the total with the process itself.

    Args:
        forecast: From `predict_memory`.
    """
    rows = [(name, size) for name, size in forecast.parts.items() if size]
    rows += [("peak of tensors", forecast.peak), ("Python and libraries", forecast.runtime)]
    rows += [("to be free", forecast.total)]
    width = max(len(name) for name, _ in rows)
    kept = "recomputed" if forecast.gradient_checkpointing else "kept"
    head = (
        f"{forecast.model}: {forecast.method} ({METHODS[forecast.method].says}), batch {forecast.batch_size} x "
        f"{forecast.length} tokens, activations {kept}, on {forecast.device}"
    )
    lines = [f"  {name:{width}}  {gigabytes(size):>10}" for name, size in rows]
    return "\n".join([head, *lines, f"  largest moment: {forecast.moment}"])


def side_by_side(
    forecasts: Sequence[MemoryForecast], fitting: Sequence[tuple[int, int]] | None = None
) -> str:
    """One line a method.

    Args:
        forecasts: Of one model.
        fitting: Largest batch and length of each, from `largest_that_fits`.
    """
    header = [
        "method",
        "weights",
        "adapters",
        "optimizer",
        "gradients",
        "activations",
        "to be free",
    ]
    rows = []
    for number, forecast in enumerate(forecasts):
        part = forecast.parts
        weights = part["ternary weights"] + part["held codes"] + part["dense weights"]
        passing = part["activations"] + part["temporary"]
        sizes = (weights + part["teacher"], part["adapters"], part["optimizer state"])
        row = [
            forecast.method,
            *map(gigabytes, (*sizes, part["gradients"], passing, forecast.total)),
        ]
        if fitting is not None:
            row += [str(value) if value else "none" for value in fitting[number]]
        rows.append(row)
    if fitting is not None:
        header += ["batch", "length"]
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    )
