import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.raft_notation import (
    join_chain,
    quotes_pair_up,
    raft_final_answer,
    split_chain,
)

# Figure 3 of arXiv 2403.10131.
PAPER = (
    "##Reason: The document ##begin_quote## The Oberoi family is an Indian family that is famous "
    "for its involvement in hotels, namely through The Oberoi Group. ##end_quote## establishes "
    "that the Oberoi family is involved in the Oberoi group, and the document ##begin_quote## The "
    "Oberoi Group is a hotel company with its head office in Delhi. ##end_quote## establishes the "
    "head office of The Oberoi Group. Therefore, the Oberoi family is part of a hotel company "
    "whose head office is in Delhi. ##Answer: Delhi"
)


def test_the_papers_example() -> None:
    reason, answer = split_chain(PAPER)
    assert answer == "Delhi"
    assert reason is not None
    assert reason.startswith("The document ##begin_quote## The Oberoi family")
    assert reason.endswith("whose head office is in Delhi.")
    assert join_chain(reason, answer) == PAPER
    assert quotes_pair_up(PAPER)


@pytest.mark.parametrize(
    "text",
    [
        "근거. ##Answer: 서울",
        "근거. ##Answer:서울",
        "근거. ##Answer：서울",
        "근거. ## Answer: 서울",
        "근거. ##answer:  서울 ",
        "근거.\n<ANSWER>: 서울",
        "근거.\n<ANSWER>:서울",  # gorilla's own parser returns this text as a whole
        "근거.\n<ANSWER>： 서울",  # and this
        "근거.\n<ANSWER> : 서울\n",
        "근거.\n<answer>: 서울",
        "<ANSWER>: 부산\n다시 보면\n<ANSWER>: 서울",
        "### Answer: ##Answer: 서울",
    ],
)
def test_final_answer_in_all_notations(text: str) -> None:
    assert raft_final_answer(text) == "서울"


@pytest.mark.parametrize("text", ["", "서울", "### Answer: 서울", "##Answer 서울", "정답: 서울"])
def test_no_marker_means_no_final_answer(text: str) -> None:
    assert raft_final_answer(text) is None


def test_a_marker_with_nothing_after_it() -> None:
    assert raft_final_answer("근거 ##Answer: ") == ""
    assert split_chain("##Answer: ") == (None, "")


def test_an_answer_may_have_several_lines() -> None:
    assert raft_final_answer("##Answer: 첫째\n둘째: 셋\n") == "첫째\n둘째: 셋"


def test_a_reason_alone() -> None:
    assert split_chain("##Reason： 문서에 있다.") == ("문서에 있다.", None)


def test_join_without_a_reason() -> None:
    assert join_chain(None, "서울") == "##Answer: 서울"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("없음", True),
        ("##begin_quote## a ##end_quote## b ##begin_quote## c ##end_quote##", True),
        ("##begin_quote## a", False),
        ("a ##end_quote##", False),
        ("##end_quote## a ##begin_quote##", False),
        ("##begin_quote## ##begin_quote## a ##end_quote## ##end_quote##", False),
    ],
)
def test_quote_marks(text: str, pairs: bool) -> None:
    assert quotes_pair_up(text) is pairs


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#<")).map(str.strip)


@settings(max_examples=60, derandomize=True)
@given(reason=TEXT, answer=TEXT)
def test_round_trip(reason: str, answer: str) -> None:
    assert split_chain(join_chain(reason or None, answer)) == (reason or None, answer)
    assert split_chain(f"{reason}\n<ANSWER>: {answer}") == (reason or None, answer)
