import unicodedata
from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder.quotes import check_quoted_records, check_quotes, quotes_of

ORACLE = "서울은 대한민국의 수도이다.\n인구는 약 천만 명이다."


def row(cot: str | None, **values: Any) -> dict[str, Any]:
    return {
        "task": "raft",
        "question": "수도는?",
        "context": [ORACLE, "부산은 항구이다."],
        "answer": "서울",
        "cot": cot,
        "oracle_context": ORACLE,
        **values,
    }


def quote(*texts: str) -> str:
    return " 그리고 ".join(f"##begin_quote##{text}##end_quote##" for text in texts) + " 이다."


def test_quotes_of_a_chain() -> None:
    assert quotes_of(quote(" 하나 ", "둘\n셋")) == ["하나", "둘\n셋"]


@pytest.mark.parametrize(
    "text",
    [
        "서울은 대한민국의 수도이다.",
        " 서울은  대한민국의 수도이다. 인구는 ",
        unicodedata.normalize("NFD", "대한민국의 수도"),
    ],
)
def test_verbatim(text: str) -> None:
    assert check_quotes(row(quote(text))) == []


@pytest.mark.parametrize(
    "text", ["서울은 한국의 수도이다.", "수도입니다.", "부산은 항구이다.", "", "인구는, 약"]
)
def test_not_verbatim(text: str) -> None:
    assert check_quotes(row(quote("수도이다.", text))) == [text]


def test_case_counts() -> None:
    assert check_quotes(row(quote("seoul"), oracle_context="Seoul")) == ["seoul"]


def test_within_the_documents() -> None:
    other = quote("부산은 항구이다.")
    assert check_quotes(row(other), within="documents") == []
    assert check_quotes(row(other, oracle_context=None)) == []
    absent = row(quote("수도이다."), context=["부산은 항구이다."])
    assert check_quotes(absent) == []
    assert check_quotes(absent, within="documents") == ["수도이다."]


def test_nothing_to_check() -> None:
    assert check_quotes(row(None)) == check_quotes(row("인용 없이 말한다.")) == []


def test_stage() -> None:
    rows = [
        row(quote("수도이다.")),
        row(quote("지어낸 말")),
        row("##begin_quote##수도이다."),
        row(quote("")),
        {"task": "koalpaca", "instruction": "가", "output": "나"},
    ]
    ledger = Ledger()
    kept = list(check_quoted_records(rows, ledger=ledger))
    assert [record.number for record in kept] == [0, 4]
    assert [(r.row_number, r.reason, r.detail) for r in ledger.rejected_rows] == [
        (1, "quotes what its document does not say", "1 quotes, e.g. '지어낸 말'"),
        (2, "has quote marks that do not pair up", None),
        (3, "quotes what its document does not say", "an empty quote"),
    ]
    ledger.count_out(2)
    ledger.check_balance()


def test_unknown_place() -> None:
    with pytest.raises(ValueError, match="within='title'"):
        check_quotes(row(None), within="title")
    with pytest.raises(ValueError, match="within='title'"):
        list(check_quoted_records([], ledger=Ledger(), within="title"))
