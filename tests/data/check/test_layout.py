from typing import Any

import pytest

from bitsft.data.check.layout import find_columns
from bitsft.data.check.records import SCHEMAS


@pytest.mark.parametrize(
    ("task", "present", "renamed"),
    [
        ("koalpaca", ["instruction", "output", "question", "answer"], {}),
        ("koalpaca", ["Q", "A", "label"], {"instruction": "Q", "output": "A"}),
        ("koalpaca", ["prompt", "completion"], {"instruction": "prompt", "output": "completion"}),
        (
            "koalpaca",
            ["질문", "답변", "맥락"],
            {"instruction": "질문", "output": "답변", "input": "맥락"},
        ),
        (
            "raft",
            ["ID", "Text", "Question", "Answer"],
            {"question": "Question", "context": "Text", "answer": "Answer", "id": "ID"},
        ),
        ("raft", ["question", "context", "cot_answer", "output"], {}),
        ("raft", ["question", "context", "cot", "정답"], {"answer": "정답"}),
        (
            "qa",
            ["질문", "지문", "정답"],
            {"question": "질문", "context": "지문", "answers": "정답"},
        ),
        ("qa", ["question", "context", "answer", "output"], {}),
        ("summarization", ["본문", "요약"], {"document": "본문", "summary": "요약"}),
        ("classification", ["id", "document", "label"], {"text": "document"}),
        (
            "classification",
            ["sentence1", "sentence2", "gold_label"],
            {"text": "sentence1", "text_pair": "sentence2", "label": "gold_label"},
        ),
        ("translation", ["원문", "번역문"], {"source": "원문", "target": "번역문"}),
        ("translation", ["ko", "en"], {}),
        ("dialogue", ["conversation"], {"messages": "conversation"}),
        ("preference", ["질문", "chosen", "rejected"], {"prompt": "질문"}),
        (
            "koalpaca",
            [" QUESTION ", "\u1103\u1161\u11b8"],
            {"instruction": " QUESTION ", "output": "\u1103\u1161\u11b8"},
        ),
    ],
)
def test_well_known_names(task: str, present: list[str], renamed: dict[str, str]) -> None:
    columns = find_columns(SCHEMAS[task], present)
    assert columns.renamed == renamed
    assert columns.are_complete
    assert columns.ambiguous == {}


def test_its_own_name_in_another_case_comes_first() -> None:
    columns = find_columns(SCHEMAS["raft"], ["Question", "질문", "context", "answer"])
    assert columns.renamed == {"question": "Question"}
    assert columns.left_out == ("질문",)


def test_several_candidates_are_ambiguous() -> None:
    columns = find_columns(SCHEMAS["koalpaca"], ["question", "prompt", "output"])
    assert columns.ambiguous == {"instruction": ("question", "prompt")}
    assert not columns.are_complete
    assert columns.what_is_missing() == (
        "The task koalpaca lacks instruction, and the columns are 'question', 'prompt', 'output'. If a "
        "column only has another name, name it when reading: columns={'instruction': '...'}"
    )
    assert columns.where("instruction") == "the columns are 'question', 'prompt', 'output'"


def test_missing_columns() -> None:
    columns = find_columns(SCHEMAS["raft"], ["question", "label", 3])
    assert columns.missing == (("context",), ("answer", "cot_answer"))
    assert columns.left_out == ("label", 3)
    assert columns.where("answer") == "the columns are 'question', 'label', 3"
    assert columns.where("question") is None


def test_where_names_the_column_of_the_file() -> None:
    columns = find_columns(SCHEMAS["raft"], ["q", "문서", "answer"])
    assert columns.where("context[2]") == "column '문서'"
    assert columns.where("answer") is None


@pytest.mark.parametrize(
    ("task", "present", "keep", "left_out"),
    [
        ("koalpaca", ["instruction", "output", "url", "id", "task"], (), ("url",)),
        ("koalpaca", ["instruction", "output", "url"], ("url",), ()),
        ("translation", ["ko", "en", "ja", "domain"], (), ("domain",)),
        ("raft", ["question", "context", "answer", "type"], (), ()),
    ],
)
def test_what_is_left_out(
    task: str, present: list[Any], keep: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    assert find_columns(SCHEMAS[task], present, keep).left_out == left_out
