"""What other stages wrote into a manifest, read with care: a manifest may have been edited by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from bitsft.data.fields import shorten
from bitsft.pages.histogram import Bins

# More than any data set has rows; what lies beyond is no count, and overflows a float in the charts.
_MOST = 10**15


def count_of(values: Mapping[str, Any], key: str, where: str) -> int:
    """Return a count; 0 where there is none.

    Raises:
        ValueError: When it is no whole number from 0 up.
    """
    value = values.get(key, 0)
    if not is_count(value):
        raise ValueError(f"{where}[{key!r}] is {shorten(value)}; give a whole number from 0 up")
    return value


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0 up."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_MOST <= value <= _MOST  # false for NaN


def text_of(values: Mapping[str, Any], key: str) -> str:
    """Return a value as a text; "" where it is missing."""
    value = values.get(key)
    return "" if value is None else value if isinstance(value, str) else shorten(value)


def mapping_of(values: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """Return a mapping within another; an empty one where it is missing.

    Raises:
        ValueError: When it is something else.
    """
    return check_mapping(values.get(key) or {}, f"{where}[{key!r}]")


def mappings_of(values: Mapping[str, Any], key: str, where: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of mappings; an empty one where it is missing.

    Raises:
        ValueError: When it is something else.
    """
    return check_mappings(values.get(key) or [], f"{where}[{key!r}]")


def check_mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return the value, which must be a mapping.

    Raises:
        ValueError: When it is not.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is {shorten(value)}; give a mapping of names to values")
    return value


def check_mappings(value: Any, where: str) -> Sequence[Mapping[str, Any]]:
    """Return the value, which must be a list of mappings.

    Raises:
        ValueError: When it is not.
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} is {shorten(value)}; give a list of mappings")
    for number, item in enumerate(value):
        check_mapping(item, f"{where}[{number}]")
    return value


def number_of(values: Mapping[str, Any], key: str, where: str) -> float | None:
    """Return a number; None where it is missing.

    Raises:
        ValueError: When it is no number, or NaN or infinite.
    """
    value = values.get(key)
    if value is not None and not is_number(value):
        raise ValueError(f"{where}[{key!r}] is {shorten(value)}; give a number")
    return value


def bins_of(value: Mapping[str, Any], where: str) -> Bins:
    """Return the histogram that a manifest holds as `{"edges", "counts"}`.

    Raises:
        ValueError: When it is none.
    """
    edges, counts = value.get("edges"), value.get("counts")
    fits = (
        isinstance(edges, list | tuple)
        and isinstance(counts, list | tuple)
        and len(edges) == len(counts) + 1
        and len(counts) > 0
        and all(map(is_number, edges))
        and all(map(is_count, counts))
        and all(low < high for low, high in zip(edges, edges[1:], strict=False))
    )
    if not fits or edges is None or counts is None:
        raise ValueError(
            f"{where}: the histogram is {shorten(dict(value))}; give 'edges' (rising) and 'counts', "
            "one less than edges"
        )
    return Bins(tuple(map(float, edges)), tuple(map(int, counts)), 0, float(edges[-1]))
