import datetime
import decimal
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bitsft.data.read.plain_values import NoPlainFormError, columns_to_change, plain_value

KST = datetime.timezone(datetime.timedelta(hours=9))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (datetime.datetime(2024, 3, 1, 9, 30, tzinfo=KST), "2024-03-01T09:30:00+09:00"),
        (datetime.date(2024, 3, 1), "2024-03-01"),
        (datetime.time(9, 30), "09:30:00"),
        (datetime.timedelta(minutes=1.5), 90.0),
        (decimal.Decimal("12.50"), "12.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("가".encode(), "가"),
        ({"a": (1, [b"x", None])}, {"a": [1, ["x", None]]}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([[1, 2]]), [[1, 2]]),
        (True, True),
    ],
)
def test_values(value: Any, plain: Any) -> None:
    changed = plain_value(value)
    assert changed == plain
    assert type(changed) is type(plain)


@pytest.mark.parametrize("value", [b"\xff", object(), [object()], {"a": {1, 2}}])
def test_values_without_a_plain_form(value: Any) -> None:
    with pytest.raises(NoPlainFormError, match="bytes that are not UTF-8|a value of type"):
        plain_value(value)


def test_only_columns_that_need_it_are_changed() -> None:
    schema = pa.schema(
        {
            "text": pa.string(),
            "large": pa.large_string(),
            "list": pa.list_(pa.struct({"a": pa.int8(), "b": pa.float64()})),
            "category": pa.dictionary(pa.int8(), pa.string()),
            "null": pa.null(),
            "when": pa.timestamp("ns"),
            "bytes": pa.list_(pa.binary()),
            "deep": pa.struct({"a": pa.decimal128(5, 2)}),
            "map": pa.map_(pa.string(), pa.string()),
            "half": pa.float16(),
        }
    )
    assert columns_to_change(schema) == ["when", "bytes", "deep", "map", "half"]
