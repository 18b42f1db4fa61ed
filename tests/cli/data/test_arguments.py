"""Values of the command line."""

import argparse
from collections.abc import Callable

import pytest

from bitsft.cli.data.arguments import character, length_bounds, merged, names, numbers, pairs


def test_pairs() -> None:
    assert pairs("q=question, doc=context") == {"q": "question", "doc": "context"}
    assert pairs("질문=question") == {"질문": "question"}
    assert numbers("train=0.8,test=.2") == {"train": 0.8, "test": 0.2}
    assert names("url, id") == ["url", "id"]
    assert length_bounds("answer=1:20,question=:300,cot=5:") == {
        "answer": (1, 20),
        "question": (None, 300),
        "cot": (5, None),
    }


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (pairs, "q", "'q' is not of the form name=value"),
        (pairs, "q=", "'q=' is not of the form"),
        (pairs, "a=b,a=c", "'a' is given twice"),
        (numbers, "train=most", "train='most' is not a number"),
        (names, "a,,b", "has an empty name"),
        (length_bounds, "answer=20", "answer='20': write LEAST:MOST"),
        (length_bounds, "answer=:", "write LEAST:MOST"),
        (length_bounds, "answer=-1:5", "write LEAST:MOST"),
    ],
)
def test_what_is_wrong_is_named(read: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        read(text)


def test_an_option_may_be_given_several_times() -> None:
    assert merged([{"a": "b"}, {"c": "d"}], "--map") == {"a": "b", "c": "d"}
    assert merged(None, "--map") == {}
    with pytest.raises(ValueError, match="--map: 'a' is given twice"):
        merged([{"a": "b"}, {"a": "d"}], "--map")


def test_a_tab_may_be_written_as_two_characters() -> None:
    assert character(r"\t") == "\t"
    assert character(";") == ";"
