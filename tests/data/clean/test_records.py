"""Every text of a row is cleaned; labels and ids are not; nothing is lost or leaked."""

import json
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.clean import Cleaning, clean_records
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record

PHONE = "010-1234-5678"


def clean(
    row: dict[str, Any], settings: Cleaning | None = None
) -> tuple[list[dict[str, Any]], Ledger]:
    ledger = Ledger()
    rows = [record.values for record in clean_records([row], settings or Cleaning(), ledger=ledger)]
    ledger.count_out(len(rows))
    ledger.check_balance()
    return rows, ledger


@pytest.mark.parametrize(
    ("row", "cleaned"),
    [
        (
            {
                "task": "raft",
                "question": "누구 ?  ",
                "context": ["가  나", "다"],
                "answer": "나ㅋㅋㅋㅋ",
                "id": "a  b",
            },
            {
                "task": "raft",
                "question": "누구 ?",
                "context": ["가 나", "다"],
                "answer": "나ㅋㅋㅋ",
                "id": "a  b",
            },
        ),
        (
            {
                "task": "qa",
                "question": "질문",
                "context": "가\u200b나",
                "answers": ["가 ", "나"],
                "title": "제  목",
            },
            {
                "task": "qa",
                "question": "질문",
                "context": "가나",
                "answers": ["가", "나"],
                "title": "제 목",
            },
        ),
        (
            {
                "task": "classification",
                "text": "좋아요!!!!",
                "label": "아주  좋음",
                "other": "가  나",
            },
            {
                "task": "classification",
                "text": "좋아요!!!",
                "label": "아주  좋음",
                "other": "가  나",
            },
        ),
        (
            {
                "task": "dialogue",
                "messages": [
                    {"role": "user ", "content": "가  나"},
                    {"role": "b", "content": "다"},
                ],
            },
            {
                "task": "dialogue",
                "messages": [{"role": "user ", "content": "가 나"}, {"role": "b", "content": "다"}],
            },
        ),
        (
            {"task": "translation", "source": "a  b", "target": "가", "source_language": "en  "},
            {"task": "translation", "source": "a b", "target": "가", "source_language": "en  "},
        ),
        (
            {"task": "preference", "prompt": "가", "chosen": "나  다", "rejected": "라\r\n마"},
            {"task": "preference", "prompt": "가", "chosen": "나 다", "rejected": "라\n마"},
        ),
        (
            {"task": "summarization", "document": "\x00긴 글", "summary": "글"},
            {"task": "summarization", "document": "긴 글", "summary": "글"},
        ),
    ],
)
def test_every_task(row: dict[str, Any], cleaned: dict[str, Any]) -> None:
    before = json.dumps(row)
    assert clean(row)[0] == [cleaned]
    assert json.dumps(row) == before  # the caller's row is not touched


def test_a_clean_row_is_handed_on_as_it_is() -> None:
    record = Record(
        {"task": "koalpaca", "instruction": "질문", "output": "답", "input": None}, "a.csv", 7
    )
    assert list(clean_records([record], ledger=Ledger()))[0] is record


def test_a_changed_row_keeps_its_origin() -> None:
    record = Record({"task": "koalpaca", "instruction": "질  문", "output": "답"}, "a.csv", 7)
    (cleaned,) = clean_records([record], ledger=Ledger())
    assert (cleaned.source, cleaned.number) == ("a.csv", 7)
    assert record.values["instruction"] == "질  문"


def test_changes_are_counted_once_a_row() -> None:
    row = {"task": "koalpaca", "instruction": "질  문  하나", "output": "답  하나"}
    _, ledger = clean(row)
    change = ledger.changes["clean", "white space"]
    assert (change.times, change.rows) == (3, 1)
    assert [field for _, field, _, _ in change.examples] == ["instruction", "output"]


def test_what_is_masked_in_one_text_is_masked_in_all() -> None:
    row = {
        "task": "qa",
        "question": "국민은행 계좌번호는?",
        "context": "계좌번호는 482102-04-117730이다.",
        "answers": ["482102-04-117730", "4482102-04-117730"],
    }
    rows, ledger = clean(row)
    assert rows[0]["context"] == "계좌번호는 [계좌번호]이다."
    assert rows[0]["answers"] == ["[계좌번호]", "4482102-04-117730"]
    assert ledger.changes["clean", "account masked"].times == 2


def test_reject_writes_the_masked_text(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    row = {
        "task": "koalpaca",
        "instruction": f"제 번호는 {PHONE}, nari@noeul-sample.kr",
        "output": "네",
    }
    with Ledger(path) as ledger:
        assert list(clean_records([row], Cleaning(phone="reject"), ledger=ledger)) == []
    ledger.check_balance()
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "row_number": 0,
        "stage": "clean",
        "field": "instruction",
        "value": "제 번호는 [전화번호], [이메일]",
        "reason": "holds a telephone number",
        "remedy": "Take it out, or mask it with phone='mask'",
    }
    assert ledger.changes == {}  # what is not handed on was not changed


def test_strict_does_not_show_it_either() -> None:
    row = {"task": "koalpaca", "instruction": f"제 번호는 {PHONE}", "output": "네"}
    with pytest.raises(ValueError, match="holds a telephone number") as error:
        list(clean_records([row], Cleaning(phone="reject"), ledger=Ledger(strict=True)))
    assert PHONE not in str(error.value)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"task": "koalpaca", "instruction": "\u00ad\u200b", "output": "답"}, "instruction"),
        ({"task": "koalpaca", "instruction": "", "output": "답"}, "instruction"),
        ({"task": "raft", "question": "가", "context": ["나", "\x00 "], "answer": "다"}, "context"),
        ({"task": "dialogue", "messages": [{"role": "user", "content": "\u3164"}]}, "messages"),
    ],
)
def test_empty_after_cleaning(row: dict[str, Any], field: str) -> None:
    rows, ledger = clean(row)
    assert rows == []
    assert ledger.rejections == {("clean", field, "is empty after cleaning"): 1}


def test_an_optional_text_that_is_empty_is_left_out() -> None:
    rows, _ = clean({"task": "koalpaca", "instruction": "가", "output": "나", "input": "\u00ad"})
    assert rows == [{"task": "koalpaca", "instruction": "가", "output": "나"}]


def test_a_row_that_was_not_checked() -> None:
    with pytest.raises(ValueError, match="pass it through check_records first"):
        clean({"instruction": "가", "output": "나"})


def test_half_a_surrogate_pair() -> None:
    rows, _ = clean({"task": "koalpaca", "instruction": "가\ud83d  나", "output": "나"})
    assert rows[0]["instruction"] == "가\ud83d 나"


def test_twice_is_once() -> None:
    rows = [
        {"task": "koalpaca", "instruction": f"전화  {PHONE}ㅋㅋㅋㅋ", "output": "네  네"},
        {"task": "koalpaca", "instruction": "가", "output": "나"},
    ]
    once = [record.values for record in clean_records(rows, ledger=Ledger())]
    ledger = Ledger()
    assert [record.values for record in clean_records(once, ledger=ledger)] == once
    assert ledger.changes == {}
