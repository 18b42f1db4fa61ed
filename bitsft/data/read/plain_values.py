"""Values that JSON has no form for, from Parquet files and `datasets`, as ones that it has.

| value | becomes |
|---|---|
| date, time, timestamp | its ISO 8601 text, `"2024-03-01T09:30:00+09:00"` |
| duration | seconds, a float |
| decimal | its exact text, `"12.50"` |
| bytes | the text that they are in UTF-8, strictly: older writers store texts so |
| tuple, map | a list, an object |
| a number or array of NumPy | the number, a list |

so that every later stage, and each JSONL file, meets the same few types. Anything else (an image, bytes
that are no text) is a fault of its row, not dropped.
"""

import datetime
import decimal
import uuid
from collections.abc import Mapping
from typing import Any

from bitsft.data.fields import shorten


class NoPlainFormError(ValueError):
    """A value that has no form in JSON."""


def plain_value(value: Any) -> Any:
    """Return the value in a form that JSON has.

    Raises:
        NoPlainFormError: When there is none.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {name: plain_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(part) for part in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NoPlainFormError(f"bytes that are not UTF-8: {shorten(value)}") from error
    return _plain_number(value)


def _plain_number(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        plain = value.tolist()
        if type(plain) is not type(value):  # longdouble has no other form
            return plain_value(plain)
    raise NoPlainFormError(f"a value of type {type(value).__name__}")


def columns_to_change(schema: Any) -> list[str]:
    """Return the columns of an Arrow schema whose values may need `plain_value`."""
    import pyarrow as pa

    def is_plain(kind: Any) -> bool:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return is_plain(kind.value_type)
        if pa.types.is_struct(kind):
            return all(is_plain(kind.field(number).type) for number in range(kind.num_fields))
        if pa.types.is_dictionary(kind):
            return is_plain(kind.value_type)
        return (
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_integer(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_null(kind)
            or pa.types.is_float32(kind)
            or pa.types.is_float64(kind)
        )

    return [field.name for field in schema if not is_plain(field.type)]
