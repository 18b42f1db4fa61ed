"""One JSON value from a text, by Python's own `json`, with what it lets pass made a fault.

- A key that an object gives twice: `json` keeps the last value, and the others would be lost in silence.
- An integer of more than 4,300 digits, which Python refuses to convert (sys.get_int_max_str_digits).
- Values nested deeper than 100: later stages, and JSON writers, recurse into them.

NaN and Infinity are read as `json` reads them. Half surrogates (`"\\ud83d"`) stay in the text as they
are; the check of the row names them.
"""

import json
from typing import Any

DEEPEST = 100


class RowFaultError(ValueError):
    """A value that is JSON, but that no row may hold. `reason` is constant, `detail` is particular."""

    def __init__(self, reason: str, detail: str, remedy: str) -> None:
        super().__init__(reason, detail, remedy)
        self.reason = reason
        self.detail = detail
        self.remedy = remedy


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RowFaultError(
            "gives a key twice",
            repr(twice[:60]),
            "Keep one of them: only the last one would be read",
        )
    return row


_strict = json.JSONDecoder(object_pairs_hook=_unique)
_lenient = json.JSONDecoder(parse_int=str)  # to find the end of a value that `_strict` refuses


def whole_value(text: str) -> Any:
    """Return the one value that a text holds, e.g. a line of a JSONL file.

    Raises:
        json.JSONDecodeError: When it is not JSON.
        RowFaultError: When it is, but no row may hold it.
    """
    try:
        value = _strict.decode(text)
    except (json.JSONDecodeError, RowFaultError):
        raise
    except ValueError as error:
        raise _long_integer(error) from error
    except RecursionError as error:
        raise _too_deep() from error
    # Only a text with that many brackets can be nested so deep: counting them is quick.
    if text.count("[") + text.count("{") > DEEPEST and is_deep(value):
        raise _too_deep()
    return value


def next_value(text: str, at: int) -> tuple[Any, int]:
    """Return the value that starts at `at`, and where it ends.

    A value that no row may hold is returned as the `RowFaultError`, so that reading can go on after it.

    Raises:
        json.JSONDecodeError: When it is not JSON, or is cut off.
        RowFaultError: When it is nested so deep that its end cannot be found.
    """
    try:
        value, end = _strict.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        fault = error if isinstance(error, RowFaultError) else _long_integer(error)
        return fault, _lenient.raw_decode(text, at)[1]
    except RecursionError as error:
        raise _too_deep() from error
    if text.count("[", at, end) + text.count("{", at, end) > DEEPEST and is_deep(value):
        return _too_deep(), end
    return value, end


def is_deep(value: Any) -> bool:
    """Whether lists and dicts lie within each other more than 100 deep."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            part
            for parent in level
            if isinstance(parent, dict | list)
            for part in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(part, dict | list) for part in level)


def _too_deep() -> RowFaultError:
    return RowFaultError("is nested too deep", f"more than {DEEPEST} levels", "Flatten the row")


def _long_integer(error: ValueError) -> RowFaultError:
    return RowFaultError("holds a number that is too long", str(error), "Write it as a text")
