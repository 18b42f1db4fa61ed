import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bitsft.data.check.koalpaca import KoAlpacaRow
from bitsft.data.check.records import SCHEMAS
from bitsft.data.fields import RowError, is_missing, required
from bitsft.data.tasks import TASKS


def test_each_task_has_a_schema_with_its_columns() -> None:
    assert list(SCHEMAS) == list(TASKS)
    renamed = {"documents": "context", "oracle": "oracle_context"}
    for name, schema in SCHEMAS.items():
        fields = {renamed.get(field, field) for field in schema.model_fields}
        assert fields == set(TASKS[name].columns)
        assert {column for need in schema.needs for column in need} <= schema.reads


CHARACTERS = st.one_of(
    st.sampled_from(
        "가 a\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2028\u2029\u202f\u205f\u3000"
        "\u200b\u200c\u200d\u2060\ufeff\u1112\u1161\x00\ud83d\U0001f600"
    ),
    st.characters(),
)


@settings(max_examples=500, derandomize=True)
@given(text=st.lists(CHARACTERS, max_size=5).map("".join))
def test_texts_are_read_as_by_fields(text: str) -> None:
    """The compiled validators have the rules of `fields.required`."""
    try:
        expected = required({"output": text}, "output", None)
    except RowError as error:
        with pytest.raises(RowError) as caught:
            KoAlpacaRow.from_raw({"instruction": "지시", "output": text})
        assert (caught.value.field, caught.value.reason) == ("output", error.reason)
        return
    if not any(unicodedata.category(c) not in ("Zs", "Cc", "Cf", "Zl", "Zp") for c in expected):
        return  # only what shows nothing in between: fields.py looks at the ends alone
    assert KoAlpacaRow.from_raw({"instruction": "지시", "output": text}).output == expected


@pytest.mark.parametrize(
    "text", ["\u200b \u200b \u200b", " \ufeff\n\u2060 ", "\x1c\u200b\x1f", "\u3000\u2028"]
)
def test_a_text_in_which_nothing_shows_is_empty(text: str) -> None:
    with pytest.raises(RowError, match="field 'output' is empty"):
        KoAlpacaRow.from_raw({"instruction": "지시", "output": text})
    if is_missing(text):
        row = KoAlpacaRow.from_raw({"instruction": "지시", "output": "답", "input": text})
        assert row.input is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is missing"),
        ("", "is empty"),
        (float("nan"), "is empty"),
        (1.5, "is of type float, not text"),
        (True, "is of type bool, not text"),
        ("답".encode(), "is of type bytes, not text"),
        ({"text": "답"}, "is of type dict, not text"),
        ("ab\ud83d", "holds half of a surrogate pair"),
    ],
)
def test_reasons(value: Any, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        KoAlpacaRow.from_raw({"instruction": "지시", "output": value}, 7)
    error = caught.value
    assert (error.field, error.reason, error.row_number) == ("output", reason, 7)
    assert error.value is value
    assert not isinstance(error.__context__, ValidationError)  # no traceback of pydantic above it


def test_a_missing_column_shows_no_value() -> None:
    with pytest.raises(RowError) as caught:
        KoAlpacaRow.from_raw({"output": "답"})
    assert str(caught.value) == (
        "field 'instruction' is missing. Fill it in, or leave the row out."
    )


def test_other_columns_are_not_looked_at() -> None:
    row: dict[Any, Any] = {"instruction": "지시", "output": "답", 3: object(), "url": b"\xff"}
    assert KoAlpacaRow.from_raw(row) == KoAlpacaRow(instruction="지시", output="답")


def test_json_schema_for_other_tools() -> None:
    schema = KoAlpacaRow.model_json_schema()
    assert schema["required"] == ["instruction", "output"]
    with pytest.raises(ValidationError):
        KoAlpacaRow(instruction="지시", output=" ")
