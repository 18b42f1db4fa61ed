"""Settings as JSON, without secrets.

`plain` turns a value into what JSON has a form for: enums become their values, paths and dtypes texts,
dataclasses and configs dicts, functions their names, NaN and infinities texts; anything else its `repr`
without memory addresses. What is named like a secret (`hub_token`, `token`, `api_key`, `password`, ...) is
left out; so is, in a command line, the value of such an option and anything that looks like a Hub token.
`eos_token` and its like are no secrets.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

_SECRET_NAME = re.compile(
    r"(^|_)(token|(hub|hf|auth|access|api|bearer)_?token|api_?key|password|passwd|secret(_key)?)$",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"(^|_)(eos|bos|pad|unk|sep|cls|mask|image|audio|video|assistant|user|decoder_start)_token$"
)
_SECRET_VALUE = re.compile(r"\b(hf_|sk-|ghp_|github_pat_)[A-Za-z0-9_-]{16,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
HIDDEN = "(hidden)"


def is_secret(name: str) -> bool:
    """Whether a setting or option of this name holds a secret."""
    normal = name.lstrip("-").replace("-", "_")
    return bool(_SECRET_NAME.search(normal)) and not _NO_SECRET.search(normal.lower())


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON can hold it; see the module."""
    if value is None or isinstance(value, bool | int) and not isinstance(value, Enum):
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        return _SECRET_VALUE.sub(HIDDEN, str(value))
    if isinstance(value, PurePath):
        return str(value)
    if depth > 8:
        return f"({type(value).__name__}, nested too deeply)"
    if is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name, None) for f in fields(value)}, depth)
    if isinstance(value, Mapping):
        return {
            str(getattr(key, "value", key)): plain(one, depth + 1)
            for key, one in value.items()
            if not is_secret(str(key))
        }
    if isinstance(value, set | frozenset):
        return sorted((plain(one, depth + 1) for one in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(one, depth + 1) for one in value]
    return _other(value)


def _other(value: Any) -> Any:
    if type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device"):
        return str(value).removeprefix("torch.")
    if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
        return f"{value.__module__}.{value.__qualname__}"
    item = getattr(value, "item", None)  # a number of numpy or torch
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item(), 9)
    try:
        text = _ADDRESS.sub("", repr(value))
    except Exception as error:  # a stranger's __repr__ must not end a training
        return f"({type(value).__name__}, whose repr failed: {type(error).__name__})"
    return plain(text if len(text) <= 300 else text[:299] + "…")


def without_secrets(command: Sequence[str]) -> list[str]:
    """Return a command line whose secrets are replaced by `(hidden)`."""
    shown: list[str] = []
    hide_next = False
    for argument in command:
        name, equals, _ = argument.partition("=")
        if hide_next and not argument.startswith("--"):
            shown.append(HIDDEN)
        elif argument.startswith("-") and equals and is_secret(name):
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(_SECRET_VALUE.sub(HIDDEN, argument))
        hide_next = argument.startswith("-") and not equals and is_secret(name)
    return shown


def changed_fields(config: Any) -> list[str]:
    """The names of a dataclass instance's fields whose values are not the class's defaults.

    Values that the class derives in `__post_init__` (`bf16` from None, ...) count as changed; other ways to
    write nothing ("" and [], a config object with its own defaults for None) do not.
    """
    found = []
    for one in fields(config):
        value = getattr(config, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        same = plain(value) == plain(default) or (_is_empty(value) and _is_empty(default))
        if default is None and is_dataclass(value) and not isinstance(value, type):
            same = value == type(value)()
        if not same and not is_secret(one.name):
            found.append(one.name)
    return found


def _is_empty(value: Any) -> bool:
    return value in (None, "", "none", [], {})
