import re

import pytest

from bitsft.data.report.words import LANGUAGES, number, words

FIELD = re.compile(r"{(\w+)}")


def test_both_languages_fill_in_the_same_names() -> None:
    english, korean = (words(language) for language in LANGUAGES)
    assert english.keys() == korean.keys()
    for key, text in english.items():
        assert set(FIELD.findall(text)) == set(FIELD.findall(korean[key])), key


def test_an_unknown_language() -> None:
    with pytest.raises(ValueError, match="language='fr' is not known; use 'en' or 'ko'"):
        words("fr")


def test_numbers() -> None:
    shown = [number(value) for value in (1234567, 0.28534, 12.0, 110.84, True, "a")]
    assert shown == ["1,234,567", "0.2853", "12", "110.8", "True", "a"]
