import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.common.spool import Spool
from bitsft.data.records import Record

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(st.characters(categories=["Cs"]), max_size=2)
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_RECORDS = st.builds(
    Record,
    st.dictionaries(st.text(), _VALUES, max_size=3),
    st.sampled_from(["", "가.csv", "b c.tsv"]),
    st.integers(0, 10**9),
)


def test_records_come_back_in_order_and_by_place() -> None:
    records = [
        Record({"q": "가\u2028나\n\ud800", "n": [1, 1.0, True, None, {"a": "b"}]}, "a.csv", 7),
        Record({"q": (1, 2), "when": datetime.date(2024, 1, 1)}, "a.csv", 8),
        Record({1: "수 이름"}, "", 9),
        Record({}, "b.csv", 0),
    ]
    with Spool() as spool:
        for record in records:
            spool.add(record)
        assert len(spool) == 4
        assert [spool[i] for i in (2, 0, 3, 1)] == [records[i] for i in (2, 0, 3, 1)]
        assert [row.record() for row in spool] == records
        back = spool[0].values["n"]
        assert [type(value) for value in back] == [int, float, bool, type(None), dict]
        assert type(spool[1].values["q"]) is tuple
        assert spool.sources == {"a.csv": 2, "": 1, "b.csv": 1}


def test_nan_comes_back_and_is_written_as_null() -> None:
    with Spool() as spool:
        spool.add(Record({"a": math.nan, "b": [-math.inf]}))
        spool.add(Record({"a": "NaN, Infinity", "b": math.nan}), to_write=True)
        assert math.isnan(spool[0].values["a"])
        assert spool[0].values["b"] == [-math.inf]
        first, second = spool
        assert second.line == b'{"a": "NaN, Infinity", "b": null}'
        with pytest.raises(ValueError, match="row 0, column 'b': -inf is no number"):
            _ = first.line


def test_what_json_has_no_form_for_is_refused_where_it_will_be_written() -> None:
    with Spool() as spool:
        spool.add(Record({"parts": ("가", 1)}, "a.csv", 7), to_write=True)
        assert [row.line.decode() for row in spool] == ['{"parts": ["가", 1]}']
        for value in (b"x", "\ud83d", math.inf):
            with pytest.raises(ValueError, match="a.csv, row 8, column 'a'"):
                spool.add(Record({"a": value}, "a.csv", 8), to_write=True)
        assert len(spool) == 1


@given(st.lists(_RECORDS, max_size=8), st.sampled_from([1, 50, 2**20]))
def test_any_row_comes_back_as_it_was(records: list[Record], in_memory: int) -> None:
    with Spool(in_memory=in_memory) as spool:
        for record in records:
            spool.add(record)
        assert len(spool) == len(records)
        assert [repr(row.record()) for row in spool] == [repr(record) for record in records]
        # Two readers side by side, and look-ups meanwhile, do not disturb each other.
        for place, (one, other) in enumerate(zip(spool, spool, strict=True)):
            assert one.record() == other.record() == spool[place] == records[place]
            assert spool[len(records) - 1 - place] == records[len(records) - 1 - place]


def test_rows_larger_than_a_block(tmp_path: Any) -> None:
    with Spool(tmp_path, in_memory=1) as spool:
        texts = ["가" * 700_000, "나", "다" * 1_500_000]
        for number, text in enumerate(texts[:2]):
            spool.add(Record({"text": text}, "a.csv", number))
        assert [row.record().values["text"] for row in spool] == texts[:2]
        spool.add(Record({"text": texts[2]}, "b.csv", 0))  # after a look
        assert [row.record().values["text"] for row in spool] == texts
        assert [spool[place].values["text"] for place in (2, 1, 0)] == [
            texts[2],
            texts[1],
            texts[0],
        ]
