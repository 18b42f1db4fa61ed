from typing import Any

import pytest

from bitsft.data.check.translation import TranslationRow, language_columns
from bitsft.data.fields import RowError

KO, EN = "안녕하세요.", "Hello."


def columns(source: str, target: str, *languages: str) -> dict[str, str]:
    row = {"source": source, "target": target}
    return row | dict(zip(("source_language", "target_language"), languages, strict=False))


def test_plain_rows() -> None:
    assert TranslationRow.from_raw({"source": KO, "target": EN}).columns() == columns(KO, EN)
    given = columns(KO, EN, "한국어", "영어")
    assert TranslationRow.from_raw(given).columns() == given
    languages = ("ko", "en")
    assert TranslationRow.from_raw(columns(KO, EN), languages=languages).columns() == columns(
        KO, EN, "ko", "en"
    )


@pytest.mark.parametrize(
    "raw",
    [
        {"translation": {"en": EN, "ko": KO}},
        {"translation": {"en": EN, "ko": KO}, "source": None, "target": None},
        {"id": 1, "en": EN, "ko": KO},
        {"영어": EN, "한국어": KO},
        {"English ": EN, "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165": KO},
    ],
)
def test_texts_by_language(raw: dict[str, Any]) -> None:
    assert TranslationRow.from_raw(raw).columns() == columns(EN, KO, "en", "ko")
    asked = TranslationRow.from_raw(raw, languages=("ko", "en"))
    assert asked.columns() == columns(KO, EN, "ko", "en")
    assert TranslationRow.from_raw(asked.columns(), languages=("ko", "en")) == asked


def test_the_rows_own_direction_comes_first() -> None:
    raw = {"translation": {"en": EN, "ko": KO}, "target_language": "en"}
    assert TranslationRow.from_raw(raw, languages=("en", "ko")).columns() == columns(
        KO, EN, "ko", "en"
    )


def test_two_of_three_languages() -> None:
    raw = {"translation": {"en": EN, "fr": "Bonjour.", "ko": KO}}
    with pytest.raises(RowError, match="field 'translation' are more than two languages"):
        TranslationRow.from_raw(raw)
    row = TranslationRow.from_raw(raw, languages=("fr", "ko"))
    assert row.columns() == columns("Bonjour.", KO, "fr", "ko")


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        ({"source": KO}, "target", "is missing"),
        ({"source": KO, "target": 3}, "target", "is of type int, not text"),
        ({"translation": {"ko": KO, "en": ""}}, "translation.en", "is empty"),
        ({"translation": {"ko": KO}}, "translation", "has not two languages"),
        ({"translation": KO}, "translation", "is of type str, not a mapping"),
        ({"ko": KO, "en": None}, "en", "is missing"),
        ({"ko": KO}, "source", "is missing"),
        (
            {"translation": {"ko": KO, "en": EN}, "source_language": "ja"},
            "translation",
            "has not the two languages",
        ),
    ],
)
def test_refused(raw: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        TranslationRow.from_raw(raw, 1)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)


def test_language_columns() -> None:
    assert language_columns(["id", "KO", "eng", "ko", 3]) == {"ko": "KO", "en": "eng"}
