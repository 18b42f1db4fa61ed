"""The shares of a split: checked once, in the order given."""

import math
import re
from collections.abc import Mapping

RATIOS: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
# What `datasets` takes for the name of a split, and every system for that of a file.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_ratios(ratios: Mapping[str, float]) -> dict[str, float]:
    """Return the ratios as a dict of floats that add up to 1.

    Raises:
        ValueError: For a name that is no plain word, fewer than two splits or more than 64, a ratio
            that is no number above 0, and ratios that do not add up to 1 (within 1e-6).
    """
    if not 2 <= len(ratios) <= 64:
        raise ValueError(f"ratios={dict(ratios)!r} must name 2 to 64 splits, e.g. {dict(RATIOS)}")
    lowered: dict[str, str] = {}
    for name, ratio in ratios.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "all":
            raise ValueError(
                f"ratios names a split {name!r}; use Latin letters, digits and _, and not 'all'"
            )
        if lowered.setdefault(name.lower(), name) != name:
            raise ValueError(
                f"ratios names {lowered[name.lower()]!r} and {name!r}, which are one file on some "
                "systems; rename one"
            )
        is_number = isinstance(ratio, int | float) and not isinstance(ratio, bool)
        if not is_number or not 0 < ratio < math.inf:
            raise ValueError(
                f"ratios[{name!r}]={ratio!r} must be a number between 0 and 1; leave out a split "
                "that gets no rows"
            )
    total = math.fsum(ratios.values())
    if abs(total - 1) > 1e-6:
        parts = {name: round(ratio / total, 4) for name, ratio in ratios.items()}
        raise ValueError(
            f"ratios={dict(ratios)!r} add up to {total:g}, not to 1; did you mean {parts}?"
        )
    return {name: float(ratio) for name, ratio in ratios.items()}
