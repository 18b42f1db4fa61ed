import pytest

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report import formats
from bitsft.comparison.report.words import words
from tests.comparison.report.made_up import compared, made_up

KOREAN = words("ko")


def test_an_interval_has_the_decimals_of_its_value() -> None:
    assert formats.interval(None) == ""
    assert formats.interval((0.5, 0.25)) == "0.500 … 0.250"
    assert formats.interval((5.25, 9.5), 71.0) == "5.2 … 9.5"
    assert formats.interval((-0.125, 0.25), 0.5, is_difference=True) == "−0.125 … +0.250"


def test_gains_follow_the_goal() -> None:
    assert formats.gain_of(0.25, 0.75, "higher") == 0.5
    assert formats.gain_of(0.25, 0.75, "lower") == -0.5
    assert [formats.direction(gain) for gain in (0.1, 0.0, -0.1, None)] == [
        "better",
        "same",
        "worse",
        "none",
    ]


@pytest.mark.parametrize(
    ("base", "tuned", "short"),
    [
        ("models/base", "/runs/7/tuned/", ("base", "tuned")),
        ("a/model", "b/model", ("a/model", "b/model")),
        ("model", "b/model", ("model", "b/model")),
        ("same/model", "same/model", ("same/model", "same/model")),
        ("", "", ("", "")),
    ],
)
def test_names_as_short_as_tells_them_apart(base: str, tuned: str, short: tuple[str, str]) -> None:
    assert formats.short_names(base, tuned) == short


def test_what_the_comparison_says_in_korean() -> None:
    assert formats.slice_name("prompt length", "12-40 characters", KOREAN) == "프롬프트: 12–40 글자"
    assert formats.slice_name("label", "긍정-부정", KOREAN) == "레이블: 긍정-부정"
    assert formats.slice_name("a new kind", "x", KOREAN) == "a new kind: x"
    assert formats.rule_text("lost more than 0.1", KOREAN) == "0.1 넘게 하락"
    assert (
        formats.rule_text("right before (1), wrong now (0)", KOREAN) == "전에는 정답, 지금은 오답"
    )
    assert formats.rule_text("a new rule", KOREAN) == "a new rule"


def test_rows_of_one_task_with_scores_of_its_own_are_that_task(comparison: Comparison) -> None:
    assert formats.main_part(comparison) == "all"
    assert list(formats.parts_of(comparison)) == ["all", "classification", "raft", "summarization"]
    base, tuned = ([one for one in side if one.task == "classification"] for side in made_up(30))
    alone = compared(base, tuned)
    assert formats.main_part(alone) == "classification"
    assert list(formats.parts_of(alone)) == ["classification"]
