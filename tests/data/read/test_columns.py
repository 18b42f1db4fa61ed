import unicodedata

import pytest

from bitsft.data.read.columns import Columns


def test_new_names_come_last_and_the_row_stays() -> None:
    row = {"Q": "수도는?", "label": "0", "A": "서울"}
    renamed = Columns({"question": "Q", "answer": "A"}, "a.csv").rename(row)
    assert list(renamed.items()) == [("label", "0"), ("question", "수도는?"), ("answer", "서울")]
    assert list(row) == ["Q", "label", "A"]


def test_one_column_under_two_names_and_two_that_swap() -> None:
    assert Columns({"a": "x", "b": "x"}, "").rename({"x": 1}) == {"a": 1, "b": 1}
    assert Columns({"a": "b", "b": "a"}, "").rename({"a": 1, "b": 2}) == {"a": 2, "b": 1}


def test_two_columns_never_become_one() -> None:
    columns = Columns({"a": "q"}, "a.jsonl")
    assert columns.rename({"q": 1}) == {"a": 1}
    with pytest.raises(
        ValueError, match="a.jsonl: 'q' cannot be renamed to 'a', which is a column"
    ):
        columns.rename({"a": 2})


def test_missing_columns() -> None:
    columns = Columns({"a": "q", "b": "x"}, "a.jsonl")
    columns.rename({"z": 1})
    assert columns.missing() == ["q", "x"]
    columns.rename({"q": 1})
    assert columns.missing() == ["x"]
    with pytest.raises(
        ValueError, match=r"a.jsonl: columns names 'x', but the file has \['z', 'q'\]"
    ):
        columns.refuse_missing()


def test_a_name_in_nfd_is_the_same_name() -> None:
    nfd = unicodedata.normalize("NFD", "질문")
    assert nfd != "질문"
    columns = Columns({"instruction": "질문"}, "a.csv")
    assert columns.rename({nfd: "수도는?", "답": "서울"}) == {
        "답": "서울",
        "instruction": "수도는?",
    }
    assert columns.missing() == []
    assert Columns({"instruction": nfd}, "a.csv").rename({"질문": "왜?"}) == {"instruction": "왜?"}
