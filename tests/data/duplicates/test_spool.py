import datetime
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.duplicates.spool import Spool
from bitsft.data.records import Record


def test_records_come_back_in_order_and_by_place() -> None:
    records = [
        Record({"q": "가\u2028나\n\ud800", "n": [1, 1.0, True, None, {"a": "b"}]}, "a.csv", 7),
        Record({"q": (1, 2), "when": datetime.date(2024, 1, 1)}, "a.csv", 8),
        Record({1: "수 이름"}, "", 9),
        Record({}, "b.csv", 0),
    ]
    with Spool() as spool:
        for record in records:
            spool.append(record)
        assert len(spool) == 4
        assert [spool[i] for i in (2, 0, 3, 1)] == [records[i] for i in (2, 0, 3, 1)]
        assert list(spool) == records
        back = spool[0].values["n"]
        assert [type(value) for value in back] == [int, float, bool, type(None), dict]
        assert type(spool[1].values["q"]) is tuple


def test_nan_stays_nan() -> None:
    with Spool() as spool:
        spool.append(Record({"a": math.nan}))
        assert math.isnan(spool[0].values["a"])


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(), _VALUES, max_size=3), max_size=5))
def test_any_row_comes_back_as_it_was(rows: list[dict[str, Any]]) -> None:
    with Spool() as spool:
        for number, row in enumerate(rows):
            spool.append(Record(row, "s", number))
        assert [record.values for record in spool] == rows
        assert [repr(record.values) for record in spool] == [repr(row) for row in rows]
