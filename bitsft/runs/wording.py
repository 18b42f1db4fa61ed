"""How a run's numbers, times and data are written in tables and sheets."""

from typing import Any

from bitsft.runs.compare import as_number
from bitsft.runs.record import RunRecord


def plain_number(value: Any) -> str:
    """Four digits that count; "" for nothing."""
    if value is None:
        return ""
    number = None if isinstance(value, int) else as_number(value)
    if number is None or number != number or number in (float("inf"), float("-inf")):
        return (
            f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        )
    return f"{number:,.0f}" if abs(number) >= 10_000 else f"{number:.4g}"


def duration(seconds: Any) -> str:
    """`42 s`, `3:05 min` or `2:03:05 h`."""
    number = as_number(seconds)
    if number is None or not 0 <= number < 1e9:
        return ""
    if number < 60:
        return f"{number:.1f} s" if number < 10 else f"{number:.0f} s"
    whole = round(number)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def size(count: Any) -> str:
    """Bytes as `812 MB` or `13.4 GB` (powers of ten)."""
    number = as_number(count)
    if number is None:
        return ""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def status(run: RunRecord) -> str:
    """The status in words; a record that still says "running" may be of a run that was killed."""
    return "not finished" if run.status == "running" else run.status


def base_model(run: RunRecord) -> str:
    """The name of the base model; of one that was made in memory its class and size."""
    name = run.base_model.get("name")
    if name:
        return str(name)
    kind, parameters = run.base_model.get("class"), as_number(run.base_model.get("parameters"))
    if kind is None:
        return ""
    return f"new {kind}" + ("" if parameters is None else f", {parameters / 1e6:.3g} M")


def data(run: RunRecord) -> str:
    """The data sets with their rows, then the files that the command named."""
    parts: list[str] = []
    names = {one.get("name") for one in run.data if isinstance(one.get("rows"), int)}
    for entry in run.data:
        name, rows = entry.get("name"), entry.get("rows")
        if entry.get("role") == "file" and str(name).endswith((".yaml", ".yml")):
            continue
        said = str(name) if name else str(entry.get("role", "data"))
        if isinstance(rows, int):
            said = f"{rows:,} {said}"
        # a file that was evaluated is there twice: with its rows, and as a file that the command named
        named = entry.get("role") == "file" and name in names
        if said not in parts and not named:
            parts.append(said)
    return ", ".join(parts)


def peaks(run: RunRecord) -> str:
    """Memory at the peak: of the GPU where one was used, else of the process."""
    return size(run.memory.get("peak_gpu_bytes") or run.memory.get("peak_bytes"))


def change(score: dict[str, Any]) -> str:
    """`0.1 -> 0.5`, or the value alone."""
    value = plain_number(score.get("value"))
    return value if score.get("before") is None else f"{plain_number(score['before'])} → {value}"
