import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.duplicates.exact import drop_exact_duplicates
from bitsft.data.duplicates.report import Conflict, DuplicateReport
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record


def pair(question: str, answer: str) -> dict[str, Any]:
    return {"task": "koalpaca", "instruction": question, "output": answer}


def test_the_first_of_equal_rows_stays_and_the_others_say_which_it_was() -> None:
    rows = [
        Record(pair("배고파", "드세요."), "a.csv", 17),
        Record(pair("배고파!", "드세요."), "a.csv", 18),
        Record(pair(unicodedata.normalize("NFD", " 배 고파"), "드세요."), "b.csv", 0),
    ]
    ledger, report = Ledger(), DuplicateReport()
    kept = list(drop_exact_duplicates(rows, ledger=ledger, report=report))
    assert kept == rows[:2]
    assert kept[0] is rows[0]
    assert [str(row) for row in ledger.rejected_rows] == [
        "b.csv, row 0: repeats an earlier row (a.csv, row 17)"
    ]
    assert ledger.rejected_rows[0].stage == "duplicates"
    assert report.exact == 1


def test_records_with_the_same_origin_are_told_apart() -> None:
    rows = [Record({"a": "가"}), Record({"a": "가"}), Record({"a": "나"})]
    ledger = Ledger()
    assert list(drop_exact_duplicates(rows, ledger=ledger)) == [rows[0], rows[2]]


def test_without_punctuation() -> None:
    rows = [{"q": "배고파"}, {"q": "배고파!"}]
    assert len(list(drop_exact_duplicates(rows, ledger=Ledger(), punctuation=False))) == 1
    assert len(list(drop_exact_duplicates(rows, ledger=Ledger()))) == 2


def test_by_columns() -> None:
    rows = [{"Q": "가", "A": "1"}, {"Q": "가", "A": "2"}]
    ledger = Ledger()
    kept = list(drop_exact_duplicates(rows, ledger=ledger, by=["Q"]))
    assert [row.values["A"] for row in kept] == ["1"]
    assert str(ledger.rejected_rows[0]) == "row 1: repeats an earlier row (row 0)"


ANSWERS = [
    Record(pair("수도는?", "서울"), "a.csv", 0),
    Record(pair("수도는?", "서 울"), "a.csv", 1),
    Record(pair("수 도는?", "부산"), "a.csv", 2),
    Record(pair("수도는?", "부산"), "a.csv", 3),
    Record(pair("항구는?", "부산"), "a.csv", 4),
]


def test_conflicts_are_listed_and_stay(tmp_path: Path) -> None:
    ledger, report = Ledger(), DuplicateReport()
    path = tmp_path / "new" / "conflicts.jsonl"
    kept = list(
        drop_exact_duplicates(
            ANSWERS, ledger=ledger, by="question", conflicts_path=path, report=report
        )
    )
    assert [row.number for row in kept] == [0, 2, 4]
    assert (report.exact, report.conflicts) == (2, 1)
    assert [row.detail for row in ledger.rejected_rows] == ["a.csv, row 0", "a.csv, row 2"]
    expected = Conflict("수 도는?", "a.csv", 2, "부산", "a.csv", 0, "서울")
    assert report.examples == [expected]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {
            "question": "수 도는?",
            "source": "a.csv",
            "row_number": 2,
            "answer": "부산",
            "first_source": "a.csv",
            "first_row_number": 0,
            "first_answer": "서울",
        }
    ]


def test_conflicts_are_dropped_when_asked() -> None:
    ledger, report = Ledger(), DuplicateReport()
    kept = list(
        drop_exact_duplicates(
            ANSWERS, ledger=ledger, by="question", on_conflict="drop", report=report
        )
    )
    assert [row.number for row in kept] == [0, 4]
    assert [(row.row_number, row.reason, row.detail) for row in ledger.rejected_rows] == [
        (1, "repeats an earlier row", "a.csv, row 0"),
        (2, "answers an earlier question differently", "a.csv, row 0"),
        (3, "repeats an earlier row", "a.csv, row 2"),
    ]
    assert (report.exact, report.conflicts) == (2, 1)


def test_mixed_labels_are_a_conflict_and_their_spelling_is_not() -> None:
    rows = [
        {"task": "classification", "text": "좋다", "label": label}
        for label in ("True", "TRUE", "False")
    ]
    report = DuplicateReport()
    kept = list(drop_exact_duplicates(rows, ledger=Ledger(), by="question", report=report))
    assert [row.values["label"] for row in kept] == ["True", "False"]
    assert (report.exact, report.conflicts) == (1, 1)


def test_labels_may_be_numbers() -> None:
    rows = [{"task": "classification", "text": "좋다", "label": label} for label in (1, 0, 1)]
    assert [row.values["label"] for row in drop_exact_duplicates(rows, ledger=Ledger())] == [1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "answer"}, "by='answer' is not known"),
        ({"on_conflict": "keep", "by": "question"}, "on_conflict='keep' is not known"),
        ({"on_conflict": "drop"}, "need by='question'"),
        ({"conflicts_path": "x.jsonl"}, "need by='question'"),
    ],
)
def test_settings_are_checked_before_a_row_is_read(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drop_exact_duplicates([], ledger=Ledger(), **options)


def test_half_a_surrogate_pair_passes(tmp_path: Path) -> None:
    rows = [pair("\ud800", "가"), pair("\ud800", "나\udc00")]
    path = tmp_path / "conflicts.jsonl"
    kept = list(drop_exact_duplicates(rows, ledger=Ledger(), by="question", conflicts_path=path))
    assert len(kept) == 2
    assert json.loads(path.read_text(encoding="utf-8"))["answer"] == "나\udc00"


_VALUES = st.one_of(
    st.text(alphabet="가나 .A", max_size=3),
    st.none(),
    st.integers(0, 2),
    st.lists(st.text(alphabet="가나", max_size=2), max_size=2),
)


@given(
    st.lists(st.one_of(st.dictionaries(st.sampled_from("ab"), _VALUES), st.integers()), max_size=12)
)
def test_every_row_is_accounted_for_and_no_two_kept_ones_are_equal(rows: list[Any]) -> None:
    ledger = Ledger()
    kept = list(drop_exact_duplicates(rows, ledger=ledger))
    ledger.count_out(len(kept))
    ledger.check_balance()
    assert len(list(drop_exact_duplicates(kept, ledger=Ledger()))) == len(kept)
