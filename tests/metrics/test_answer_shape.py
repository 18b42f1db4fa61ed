"""Length and repetition, worked out by hand."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics.answer_shape import answer_shape, ends_in_loop, repeated_share


def test_lengths() -> None:
    answers = ["서울입니다.", " 네 \n", ""]
    references = ["서울", "네", "모릅니다"]
    scores = answer_shape(answers, references, tokenizer="mecab")
    assert list(scores) == [
        "answer_chars",
        "answer_tokens",
        "length_ratio",
        "seq_rep_4",
        "loops",
        "blank",
    ]
    assert scores["answer_chars"].rows.tolist() == [6, 1, 0]
    assert scores["answer_chars"].value == pytest.approx(7 / 3)
    assert scores["answer_tokens"].rows.tolist() == [3, 1, 0]  # 서울 입니다 .
    assert scores["length_ratio"].value == 1.0  # 7 characters to 2 + 1 + 4
    assert scores["length_ratio"].rows.tolist() == [3, 1, 0]
    assert scores["blank"].value == pytest.approx(1 / 3)
    goals = {name: score.goal for name, score in scores.items()}
    assert [goals[name] for name in ("answer_chars", "answer_tokens", "length_ratio")] == [
        "none"
    ] * 3
    assert [goals[name] for name in ("seq_rep_4", "loops", "blank")] == ["lower"] * 3
    assert "tok:ko-mecab" in scores["answer_tokens"].signature
    assert scores["seq_rep_4"].signature.startswith("n:4|tok:ko-mecab")


def test_without_references_there_is_no_ratio() -> None:
    scores = answer_shape(["가 나 다"], tokenizer="word")
    assert "length_ratio" not in scores
    assert scores["answer_tokens"].value == 3.0
    assert scores["answer_tokens"].signature == "tok:word|norm:nfc"


def test_nfd_has_the_length_of_nfc() -> None:
    decomposed = unicodedata.normalize("NFD", "한글")
    assert answer_shape([decomposed], tokenizer="char")["answer_chars"].value == 2.0


@pytest.mark.parametrize(
    ("tokens", "share"),
    [
        ("a b c", 0.0),  # no 4-gram at all
        ("a b c d", 0.0),
        ("a b c d e f", 0.0),
        ("a b c d a b c d", 1 / 5),  # abcd bcda cdab dabc abcd
        ("a a a a a a", 2 / 3),  # one of three
        ("", 0.0),
    ],
)
def test_seq_rep_4(tokens: str, share: float) -> None:
    assert repeated_share(tokens.split()) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("서울입니다. " * 4, True),  # 24 characters
        ("서울입니다. " * 3, False),  # 18 are fewer than 20
        ("서울특별시입니다. " * 2, False),
        ("서울특별시입니다. " * 3, True),
        ("서울특별시입니다. " * 2 + "서울특별시", False),  # not three times yet
        ("처음에는 다르다. " + "서울입니다. " * 4 + "서울", True),  # the last one is cut off
        ("서울입니다. " * 9 + "끝.", False),  # it found its way out
        ("ㅋ" * 19, False),
        ("ㅋ" * 20, True),
        ("대한민국의 수도는 서울이고 인구는 약 천만 명입니다.", False),
        ("", False),
    ],
)
def test_loops(text: str, loop: bool) -> None:
    assert ends_in_loop(text) is loop
    assert ends_in_loop(unicodedata.normalize("NFD", text)) is loop


def slow_loop(text: str) -> bool:
    """The definition: some ending of 20 or more characters is one unit three times or more."""
    bare = "".join(text.split())
    for start in range(len(bare) - 19):
        ending = bare[start:]
        for unit in range(1, len(ending) // 3 + 1):
            if all(ending[at] == ending[at + unit] for at in range(len(ending) - unit)):
                return True
    return False


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.text(alphabet="가나 ", max_size=20),
    st.text(alphabet="가나다", min_size=1, max_size=9),
    st.integers(0, 12),
    st.text(alphabet="가나", max_size=2),
)
def test_loops_equal_the_definition(before: str, unit: str, times: int, after: str) -> None:
    text = before + unit * times + after
    assert ends_in_loop(text) == slow_loop(text)


def test_errors() -> None:
    with pytest.raises(ValueError, match="both lists are empty"):
        answer_shape([])
    with pytest.raises(ValueError, match="1 predictions but 2 references"):
        answer_shape(["가"], ["가", "나"])
    with pytest.raises(ValueError, match="tokenizer='spaces' is unknown"):
        answer_shape(["가"], tokenizer="spaces")
