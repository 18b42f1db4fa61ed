from typing import Any

import pytest

from bitsft.data.read.faults import Fault
from bitsft.data.read.squad import flatten, is_nested

ANSWER = {"text": "서울", "answer_start": 3}


def test_the_form_of_korquad_2() -> None:
    article = {
        "title": "서울",
        "context": "수도 서울",
        "raw_html": "<p>",
        "qas": [{"id": "1", "question": "수도?", "answer": {**ANSWER, "html_answer_start": 9}}],
    }
    assert list(flatten(article, "row 0")) == [
        {
            "id": "1",
            "title": "서울",
            "context": "수도 서울",
            "question": "수도?",
            "answers": {"text": ["서울"], "answer_start": [3]},
        }
    ]


def test_the_form_of_klue_and_questions_without_an_answer() -> None:
    article = {
        "paragraphs": [
            {
                "context": "글",
                "qas": [
                    {"guid": "klue-1", "question": "뭐?", "answers": [], "is_impossible": True}
                ],
            },
            {"context": "글", "qas": []},
        ]
    }
    assert list(flatten(article, "row 0")) == [
        {
            "id": "klue-1",
            "title": None,
            "context": "글",
            "question": "뭐?",
            "answers": {"text": [], "answer_start": []},
            "is_impossible": True,
        }
    ]


@pytest.mark.parametrize(
    ("article", "field"),
    [
        ({"paragraphs": 1, "qas": []}, "paragraphs"),
        ({"paragraphs": ["글"]}, "paragraphs"),
        ({"paragraphs": [{"context": "글"}]}, "qas"),
        ({"qas": ["뭐?"]}, "qas"),
        ({"qas": [{"question": "뭐?", "answers": "서울"}]}, "answers"),
        ({"qas": [{"question": "뭐?", "answers": ["서울"]}]}, "answers"),
    ],
)
def test_broken_parts(article: dict[str, Any], field: str) -> None:
    (fault,) = flatten(article, "row 4")
    assert isinstance(fault, Fault)
    assert fault.reason == f"has broken {field!r} in a nested question file"
    assert fault.place == "row 4"


def test_what_is_nested() -> None:
    assert is_nested({"paragraphs": []})
    assert is_nested({"qas": []})
    assert not is_nested({"question": "뭐?", "paragraphs": "글"})
