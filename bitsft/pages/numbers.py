"""How a page writes numbers."""

from typing import Any


def number(value: Any) -> str:
    """Return a number with its thousands apart, at most four digits after the point."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
    return str(value)
