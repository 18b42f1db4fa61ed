import re
from typing import get_args

import pytest

from bitsft.comparison.report.words import words
from bitsft.comparison.table import Verdict
from bitsft.pages.words import LANGUAGES

FIELD = re.compile(r"{(\w+)")


def test_both_languages_fill_in_the_same_names() -> None:
    english, korean = (words(language) for language in LANGUAGES)
    assert english.keys() == korean.keys()
    for key, text in english.items():
        assert set(FIELD.findall(text)) == set(FIELD.findall(korean[key])), key


def test_every_verdict_has_a_word() -> None:
    assert set(get_args(Verdict)) <= words("en").keys()


def test_an_unknown_language() -> None:
    with pytest.raises(ValueError, match="language='fr' is not known; use 'en' or 'ko'"):
        words("fr")
