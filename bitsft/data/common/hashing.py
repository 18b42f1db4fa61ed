"""Hashes of texts and rows that are the same in every process and on every machine (never `hash()`).

All are BLAKE2b (RFC 7693): 16 bytes where two different texts must not be taken for one (they share a
digest with a probability of 2^-128), 8 bytes where a hash decides by chance. A half surrogate has no
UTF-8 form; it must not stop a hash.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=repr).encode


def digest(text: str, kind: bytes = b"") -> bytes:
    """Return the 16-byte digest of a text.

    Args:
        text: The text.
        kind: At most 16 bytes (the personalization); one text has another digest in each kind.
    """
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=kind).digest()


def stable_hash(*parts: str | int) -> int:
    """Return 64 bits that depend on the parts, and on where one ends and the next begins."""
    state = blake2b(digest_size=8)
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return int.from_bytes(state.digest(), "little")


def row_hash(row: Mapping[str, Any], *parts: str | int) -> int:
    """Return 64 bits that depend on the row's values and `parts`, on nothing else."""
    return stable_hash(*parts, one_form(row))


def one_form(value: Any) -> str:
    """Return a value as JSON that does not depend on the order of names; types that JSON lacks as `repr`."""
    try:
        return _encode(value)
    except TypeError:  # names of several types, which cannot be sorted
        return repr(value)
