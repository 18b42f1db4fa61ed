import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.quality.language import SCRIPTS, LanguageReport, language_share, script_counts


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("한글 abc 123", {"hangul": 2, "latin": 3}),
        ("ㅋㅋㅋ!!", {"hangul": 3}),
        ("東京タワー々", {"han": 3, "kana": 3}),
        ("привет é", {"other": 6, "latin": 1}),
        ("plain text.", {"latin": 9}),
        ("ＡＢ ﾊﾝ", {"latin": 2, "kana": 2}),
        ("😀 123 \ud83d ☆", {}),
        ("", {}),
    ],
)
def test_letters_by_script(text: str, counts: dict[str, int]) -> None:
    assert script_counts(text) == counts


def test_shares_are_the_same_in_nfd() -> None:
    text = "한글 abc"
    assert language_share(unicodedata.normalize("NFD", text)) == {"hangul": 0.4, "latin": 0.6}
    assert language_share(text) == {"hangul": 0.4, "latin": 0.6}
    assert language_share("123") == {}


@given(st.text(max_size=50))
def test_every_letter_is_counted_once(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    counts = script_counts(text)
    assert set(counts) <= set(SCRIPTS)
    assert sum(counts.values()) <= len(normal)
    letters = sum(unicodedata.category(c) in ("Lu", "Ll", "Lt", "Lo") for c in normal)
    assert sum(counts.values()) >= letters - normal.count("ー")


def test_the_report() -> None:
    report = LanguageReport()
    for text in ("한글 ab", "abc", "123", "a한"):
        report.add(script_counts(text))
    assert report.as_dict() == {
        "letters": {"hangul": 0.333333, "latin": 0.666667},
        "rows": {"hangul": 2, "latin": 1, "none": 1},  # a tie is Hangul
    }
    assert str(report) == (
        "letters: hangul 33.3%, latin 66.7%; rows by main script: hangul 2, latin 1, none 1"
    )
    assert str(LanguageReport()) == "letters: none; rows by main script: none"
