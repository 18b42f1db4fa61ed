from typing import Any

import pytest
from pydantic import ValidationError

from bitsft.data.check.koalpaca import KoAlpacaRow
from bitsft.data.fields import RowError


@pytest.mark.parametrize(
    ("raw", "row"),
    [
        (
            {"instruction": " 요약하세요. ", "input": "", "output": "짧은 글."},
            KoAlpacaRow(instruction="요약하세요.", output="짧은 글."),
        ),
        (
            {"instruction": "요약하세요.", "input": "긴 글.", "output": "글."},
            KoAlpacaRow(instruction="요약하세요.", output="글.", input="긴 글."),
        ),
        (
            {"instruction": "양파는?", "output": "줄기.", "url": "https://kin.example/1"},
            KoAlpacaRow(instruction="양파는?", output="줄기."),
        ),
        (
            {"instruction": "누구인가요?", "output": "왕.", "context": "세종", "input": None},
            KoAlpacaRow(instruction="누구인가요?", output="왕.", input="세종"),
        ),
    ],
)
def test_koalpaca_rows(raw: dict[str, Any], row: KoAlpacaRow) -> None:
    assert KoAlpacaRow.from_raw(raw) == row


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        ({"instruction": None, "output": "답"}, "instruction", "is missing"),
        ({"instruction": "지시", "output": ""}, "output", "is empty"),
        ({"instruction": "지시", "output": 1}, "output", "is of type int, not text"),
        ({"instruction": "지시", "output": "답", "input": ["a"]}, "input", "is of type list"),
        (
            {"instruction": "지시", "output": "답", "input": "a", "context": "b"},
            "context",
            "is given",
        ),
    ],
)
def test_koalpaca_rows_that_are_refused(raw: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        KoAlpacaRow.from_raw(raw, 0)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)
    assert caught.value.row_number == 0


def test_not_a_row() -> None:
    with pytest.raises(RowError, match="field 'row' is of type str"):
        KoAlpacaRow.from_raw("지시")  # type: ignore[arg-type]


def test_columns() -> None:
    row = KoAlpacaRow.from_raw(
        {"output": "왕.", "url": "", "context": " 세종 ", "instruction": "?"}
    )
    assert list(row.columns().items()) == [
        ("instruction", "?"),
        ("output", "왕."),
        ("input", "세종"),
    ]
    assert KoAlpacaRow.from_raw(row.columns()) == row


def test_a_context_at_fault_is_named_as_in_the_row() -> None:
    with pytest.raises(RowError, match="field 'context' is of type int, not text"):
        KoAlpacaRow.from_raw({"instruction": "지시", "output": "답", "context": 3})


def test_frozen() -> None:
    row = KoAlpacaRow(instruction="지시", output="답")
    with pytest.raises(ValidationError, match="frozen"):
        row.output = "다른 답"  # type: ignore[misc]
