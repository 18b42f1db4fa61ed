import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.duplicates.cosine import CosineOpinion
from bitsft.data.duplicates.drop_near import drop_near_duplicates
from bitsft.data.duplicates.report import DuplicateReport
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record

SCHEDULES = [
    ("오월 일정이 어떻게 되는지 좀 알려줘", "오월 일정"),
    ("유월 일정이 어떻게 되는지 좀 알려줘", "유월 일정"),
    ("오월 일정이 어떻게 되는지 좀 알려 줘!", "오월 일정."),
    ("오월 일정이 어떻게 되는지 좀 알려줘요", "오월 일정"),
]


def records(pairs: list[tuple[str, str]] = SCHEDULES) -> list[Record]:
    return [
        Record({"task": "koalpaca", "instruction": question, "output": answer}, "a.csv", 10 + i)
        for i, (question, answer) in enumerate(pairs)
    ]


def kept_numbers(rows: list[Record], ledger: Ledger | None = None, **options: Any) -> list[int]:
    return [row.number for row in drop_near_duplicates(rows, ledger=ledger or Ledger(), **options)]


def test_a_row_is_dropped_where_question_and_answer_are_similar() -> None:
    ledger, report = Ledger(), DuplicateReport()
    assert kept_numbers(records(), ledger, threshold=0.75, report=report) == [10, 11]
    assert [str(row) for row in ledger.rejected_rows] == [
        "a.csv, row 12: nearly repeats another row (a.csv, row 10; similarity 1.00)",
        "a.csv, row 13: nearly repeats another row (a.csv, row 10; similarity 0.82)",
    ]
    assert (report.near, report.clusters, dict(report.sizes)) == (2, 1, {3: 1})


def test_by_question_and_by_columns() -> None:
    assert kept_numbers(records(), threshold=0.7, by="question") == [10]
    assert kept_numbers(records(), threshold=0.7, by=["output"]) == [10, 11]
    assert kept_numbers(records(), threshold=0.99, by="question") == [10, 11, 13]


def test_records_come_out_as_they_came_in() -> None:
    rows = records()[:2]
    rows[0].values["extra"] = (1, "가")
    assert list(drop_near_duplicates(rows, ledger=Ledger())) == rows


def test_which_row_is_kept() -> None:
    rows = [
        Record({"q": "오늘 저녁에 비가 온다고 합니다", "url": None}, "", 0),
        Record({"q": "오늘 저녁에 비가 온다고 합니다!!!", "url": ""}, "", 1),
        Record({"q": "오늘 저녁에 비가 온다고 합니다", "url": "x"}, "", 2),
    ]
    assert kept_numbers(rows, by=["q"]) == [0]
    assert kept_numbers(rows, by=["q"], keep="longest") == [1]
    assert kept_numbers(rows, by=["q"], keep="most_complete") == [2]


def test_a_dropped_row_is_similar_to_the_kept_one_and_not_only_to_its_cluster() -> None:
    # Each is similar to the next; the first and the last are not.
    rows = [
        Record({"q": text}, "", i) for i, text in enumerate(("abcdefgh", "abcdefgx", "abcdeyyx"))
    ]
    options: dict[str, Any] = {"by": ["q"], "ngram": 1, "threshold": 0.6}
    assert kept_numbers(rows, **options) == [0, 2]
    assert kept_numbers([rows[1], rows[0], rows[2]], **options) == [1]


def test_another_label_is_another_row() -> None:
    rows = [
        {"task": "classification", "text": "정말 재미있는 영화였습니다!" + mark, "label": label}
        for mark, label in (("", 1), ("!", 0), ("?", 1))
    ]
    assert [row.number for row in drop_near_duplicates(rows, ledger=Ledger())] == [0, 1]


def test_questions_about_one_document_stay() -> None:
    document = "서울은 대한민국의 수도이며 한강이 도시를 가로질러 흐르는 큰 도시이다. " * 5
    rows = [
        {"task": "qa", "question": question, "context": document, "answers": [answer]}
        for question, answer in (("수도는 어디인가?", "서울"), ("무슨 강이 흐르는가?", "한강"))
    ]
    assert len(list(drop_near_duplicates(rows, ledger=Ledger()))) == 2


def test_rows_without_text_to_compare_stay() -> None:
    rows = [{"q": "", "n": "1"}, {"q": None, "n": "2"}, {"q": " ", "n": "3"}]
    assert len(list(drop_near_duplicates(rows, ledger=Ledger(), by=["q"]))) == 3
    blank = [{"q": ""}, {"q": None}, {}]
    assert len(list(drop_near_duplicates(blank, ledger=Ledger()))) == 3


def test_clusters_for_review_the_least_similar_first(tmp_path: Path) -> None:
    pairs = [*SCHEDULES, ("내일 만나요", "네"), ("내일만나요", "네")]
    path = tmp_path / "review.jsonl"
    kept_numbers(records(pairs), threshold=0.75, review_path=path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [
        (row["cluster"], row["row_number"], row["similarity"], row["kept"]) for row in rows
    ] == [
        (0, 10, 1.0, True),
        (0, 13, 0.8235, False),
        (0, 12, 1.0, False),
        (1, 14, 1.0, True),
        (1, 15, 1.0, False),
    ]
    assert rows[1]["text"] == "오월 일정이 어떻게 되는지 좀 알려줘요\n오월 일정"
    assert rows[1]["source"] == "a.csv"


def test_the_second_opinion_can_refuse(tmp_path: Path) -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, "줘요" in text] for text in texts]

    opinion = CosineOpinion(embed, "toy", threshold=0.9)
    report, path = DuplicateReport(), tmp_path / "review.jsonl"
    kept = kept_numbers(
        records(), threshold=0.75, second_opinion=opinion, report=report, review_path=path
    )
    assert kept == [10, 11, 13]
    assert (report.near, report.refused, dict(report.sizes)) == (1, 1, {2: 1})
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["row_number"], row["cosine"], row["kept"]) for row in rows] == [
        (10, None, True),
        (13, 0.7071, True),
        (12, 1.0, False),
    ]


def test_nothing_is_read_before_the_settings_are_checked(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, str]]:
        raise AssertionError("a row was read")
        yield {}

    for options in (
        {"keep": "last"},
        {"threshold": 2},
        {"by": "all"},
        {"review_path": tmp_path / "review.txt"},
    ):
        with pytest.raises(ValueError, match=next(iter(options))):
            drop_near_duplicates(rows(), ledger=Ledger(), **options)  # type: ignore[arg-type]


def test_a_duplicate_is_no_fault_to_a_strict_ledger() -> None:
    assert kept_numbers(records(), Ledger(strict=True)) == kept_numbers(records(), Ledger())


_ROW = st.fixed_dictionaries(
    {"q": st.text(alphabet="가나 !", max_size=6)},
    optional={"a": st.text(alphabet="가나", max_size=3) | st.none() | st.integers(0, 1)},
)


@settings(max_examples=60)
@given(
    st.lists(_ROW | st.just("no row"), max_size=12),
    st.sampled_from(["first", "longest", "most_complete"]),
    st.sampled_from([0.5, 0.8]),
)
def test_every_row_is_accounted_for_and_the_result_is_stable(
    rows: list[Any], keep: str, threshold: float
) -> None:
    ledger = Ledger()
    kept = list(drop_near_duplicates(rows, ledger=ledger, keep=keep, threshold=threshold))
    ledger.count_out(len(kept))
    ledger.check_balance()
    numbers = [row.number for row in kept]
    assert numbers == sorted(numbers)
    again = list(drop_near_duplicates(kept, ledger=Ledger(), keep=keep, threshold=threshold))
    assert again == kept
