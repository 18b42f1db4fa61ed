"""read_pairs: the checks and the Unicode form that all metrics share."""

import unicodedata

import pytest

from bitsft.metrics.pairs import is_blank, read_accepted, read_pairs, same_text


def test_brings_both_lists_to_nfc_and_leaves_the_arguments_alone() -> None:
    decomposed = [unicodedata.normalize("NFD", "한글")]
    predictions, references = read_pairs(decomposed, ("한글",))
    assert predictions == references == ["한글"]
    assert len(decomposed[0]) == 6


def test_keeps_compatibility_characters_that_nfkc_would_change() -> None:
    assert read_pairs(["ㅋㅋ ㎏ ："], ["x"])[0] == ["ㅋㅋ ㎏ ："]


def test_nul_becomes_a_space() -> None:
    assert read_pairs(["가\x00나"], ["x"])[0] == ["가 나"]


@pytest.mark.parametrize(
    ("predictions", "references", "error", "message"),
    [
        ([], [], ValueError, "both lists are empty"),
        (["a"], [], ValueError, "1 predictions but 0 references"),
        (["a"], ["a", "b"], ValueError, "1 predictions but 2 references"),
        ("가나", ["가나"], TypeError, "predictions is one string"),
        (["가나"], "가나", TypeError, "references is one string"),
        (["a", None], ["a", "b"], TypeError, r"predictions\[1\] is NoneType"),
        (["a"], [["b"]], TypeError, r"references\[0\] is list"),
        (["a", "b\ud800"], ["a", "b"], ValueError, r"predictions\[1\] holds half of a surrogate"),
    ],
)
def test_refuses_what_is_not_two_matching_lists_of_strings(
    predictions: list, references: list, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_pairs(predictions, references)


def test_blank_and_same_text_ignore_whitespace_only() -> None:
    assert is_blank(" \t\n") and not is_blank("0")
    assert same_text(" 네  알겠습니다\n", "네 알겠습니다")
    assert not same_text("네", "예")
    assert not same_text("", "")


def test_accepted_texts_are_normalized_lists() -> None:
    decomposed = unicodedata.normalize("NFD", "한글")
    predictions, accepted = read_accepted([decomposed, "b"], ["가\x00", (decomposed, "나")])
    assert predictions == ["한글", "b"]
    assert accepted == [["가 "], ["한글", "나"]]
