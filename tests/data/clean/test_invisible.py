"""Characters that show nothing go, those that shape what stands beside them stay."""

import pytest

from bitsft.data.clean.invisible import (
    has_stacked_marks,
    limit_stacked_marks,
    remove_controls,
    remove_invisible,
)


def test_controls_go_but_tab_and_line_feed_stay() -> None:
    assert remove_controls("가\x00나\x07\x1b다\t라\n마\x7f\x9f") == ("가나다\t라\n마", 3)


@pytest.mark.parametrize(
    "character",
    [
        "\u200b",
        "\u200c",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\u00ad",
        "\u200e",
        "\u200f",
        "\u202e",
        "\u2066",
    ]
    + [
        "\u061c",
        "\u180e",
        "\u034f",
        "\ufe0f",
        "\ufe01",
        "\U000e0041",
        "\U000e0101",
        "\u1160",
        "\u115f",
    ],
)
def test_invisible_between_syllables(character: str) -> None:
    assert remove_invisible(f"한{character}글") == ("한글", 1)


@pytest.mark.parametrize(
    "text",
    [
        "👨\u200d👩\u200d👧 가족",  # a family
        "❤\ufe0f\u200d🔥",  # a heart on fire
        "🏳\ufe0f\u200d🌈",  # a rainbow flag
        "👩🏽\u200d⚕\ufe0f",  # a doctor with a skin tone
        "1\ufe0f\u20e3 번",  # a keycap
        "☎\ufe0f 전화",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
        "葛\U000e0100城",  # a variant of a Chinese character
        "می\u200cخواهم",  # Persian with ZWNJ
        "क्\u200dष",  # Devanagari with ZWJ
        "\u115f\u1161 ᄀ\u1160ᆨ",  # a vowel without a consonant, and consonants without a vowel
    ],
)
def test_what_shapes_its_neighbour_stays(text: str) -> None:
    assert remove_invisible(text) == (text, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("👨\u200d가", "👨가"),  # nothing to join with
        ("가\u200d👨", "가👨"),
        ("한\ufe0f글", "한글"),
        ("🏴 \U000e0067\U000e0062", "🏴 "),  # a tag that follows no flag
        ("안녕\U000e0068\U000e0069", "안녕"),  # hidden text
        ("\u200b\u200b\ufeff안녕", "안녕"),
    ],
)
def test_what_has_nothing_to_shape_goes(before: str, after: str) -> None:
    assert remove_invisible(before)[0] == after


def test_stacked_marks_are_cut_to_thirty() -> None:
    text = "가" + "\u0301" * 40 + "나" + "\u0301" * 30
    assert has_stacked_marks(text)
    cut, times = limit_stacked_marks(text)
    assert (cut, times) == ("가" + "\u0301" * 30 + "나" + "\u0301" * 30, 1)
    assert not has_stacked_marks(cut)
