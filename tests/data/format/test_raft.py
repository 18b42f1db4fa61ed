from functools import partial
from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.fields import RowError
from bitsft.data.format.raft import format_raft
from bitsft.data.raft_notation import raft_final_answer

KOREAN = {
    "instruction": None,
    "context": ["서울은 대한민국의 수도이다.", "부산은 항구 도시이다."],
    "question": "대한민국의 수도는 어디인가요?",
    "answer": "서울",
    "cot": "문서에 ##begin_quote## 서울은 대한민국의 수도이다. ##end_quote## 라고 쓰여 있다.",
}
GORILLA = {
    "id": "2f0c",
    "type": "general",
    "question": "What is the capital of France?",
    "context": {
        "title": [["placeholder_title", "placeholder_title"]],
        "sentences": [["Lyon lies on the Rhone.", "Paris is the capital of France."]],
    },
    "oracle_context": "Paris is the capital of France.",
    "cot_answer": "The text says ##begin_quote##Paris is the capital##end_quote##.\n<ANSWER>: Paris",
    "instruction": (
        "<DOCUMENT>Lyon lies on the Rhone.</DOCUMENT>\n"
        "<DOCUMENT>Paris is the capital of France.</DOCUMENT>\n"
        "What is the capital of France?"
    ),
}


def test_korean_row_as_text() -> None:
    assert format_raft(KOREAN) == {
        "prompt": (
            "아래 문서를 참고하여 질문에 답하세요. 질문과 관련 없는 문서는 무시하세요.\n\n"
            "<DOCUMENT>서울은 대한민국의 수도이다.</DOCUMENT>\n"
            "<DOCUMENT>부산은 항구 도시이다.</DOCUMENT>\n\n"
            "### 질문: 대한민국의 수도는 어디인가요?\n\n### 답변:"
        ),
        "completion": (
            " ##Reason: 문서에 ##begin_quote## 서울은 대한민국의 수도이다. ##end_quote## 라고 쓰여 있다."
            " ##Answer: 서울"
        ),
    }


def test_gorilla_row_as_english_text() -> None:
    assert format_raft(GORILLA, language="en") == {
        "prompt": (
            "Answer the question from the documents below. Ignore the documents that do not help."
            "\n\n<DOCUMENT>Lyon lies on the Rhone.</DOCUMENT>\n"
            "<DOCUMENT>Paris is the capital of France.</DOCUMENT>\n\n"
            "### Question: What is the capital of France?\n\n### Answer:"
        ),
        "completion": (
            " ##Reason: The text says ##begin_quote##Paris is the capital##end_quote##."
            " ##Answer: Paris"
        ),
    }


def test_gorillas_own_prompt_to_the_letter() -> None:
    row = format_raft(GORILLA, instruction="", as_messages=True)
    assert row["prompt"] == [{"role": "user", "content": GORILLA["instruction"]}]


def test_messages() -> None:
    assert format_raft(KOREAN, as_messages=True, system="친절하게 답하세요.", with_cot=False) == {
        "prompt": [
            {"role": "system", "content": "친절하게 답하세요."},
            {
                "role": "user",
                "content": (
                    "아래 문서를 참고하여 질문에 답하세요. 질문과 관련 없는 문서는 무시하세요.\n\n"
                    "<DOCUMENT>서울은 대한민국의 수도이다.</DOCUMENT>\n"
                    "<DOCUMENT>부산은 항구 도시이다.</DOCUMENT>\n"
                    "대한민국의 수도는 어디인가요?"
                ),
            },
        ],
        "completion": [{"role": "assistant", "content": "##Answer: 서울"}],
    }


@pytest.mark.parametrize(
    ("own", "argument", "start"),
    [
        (None, None, "아래 문서를 참고하여"),
        ("세 단어로 답하세요.", None, "세 단어로 답하세요.\n\n<DOCUMENT>"),
        ("세 단어로 답하세요.", "한 단어로 답하세요.", "한 단어로 답하세요.\n\n<DOCUMENT>"),
        ("세 단어로 답하세요.", "", "<DOCUMENT>"),
    ],
)
def test_whose_instruction(own: str | None, argument: str | None, start: str) -> None:
    row = format_raft(KOREAN | {"instruction": own}, instruction=argument)
    assert row["prompt"].startswith(start)


def test_documents_are_in_the_prompt_once() -> None:
    prompt = format_raft(GORILLA)["prompt"]
    assert prompt.count("Lyon lies on the Rhone.") == 1
    assert prompt.count("What is the capital of France?") == 1
    assert "placeholder_title" not in prompt


def test_with_and_without_chain_of_thought() -> None:
    assert format_raft(KOREAN, with_cot=False)["completion"] == " ##Answer: 서울"
    assert format_raft(KOREAN | {"cot": None})["completion"] == " ##Answer: 서울"


def test_the_oracle_stays_out_of_a_prompt_of_distractors() -> None:
    row = GORILLA | {"context": {"title": [["t"]], "sentences": [["Lyon lies on the Rhone."]]}}
    assert "Paris" not in format_raft(row)["prompt"]


def test_braces_in_the_data_are_kept() -> None:
    row = KOREAN | {"question": "{question} {0} %s", "context": "{document}", "answer": "{x}"}
    formatted = format_raft(row, with_cot=False)
    assert "<DOCUMENT>{document}</DOCUMENT>" in formatted["prompt"]
    assert "### 질문: {question} {0} %s\n" in formatted["prompt"]
    assert formatted["completion"] == " ##Answer: {x}"


@pytest.mark.parametrize("as_messages", [False, True])
def test_the_row_is_not_changed(as_messages: bool) -> None:
    row = {**GORILLA, "context": {"title": [["t", "t"]], "sentences": [["하나", "둘"]]}}
    format_raft(row, as_messages=as_messages)
    assert row["context"] == {"title": [["t", "t"]], "sentences": [["하나", "둘"]]}


WORDS = st.text("가나다라 \n", min_size=1).filter(str.strip)


@settings(max_examples=40, derandomize=True)
@given(answers=st.tuples(WORDS, WORDS), chains=st.tuples(st.none() | WORDS, st.none() | WORDS))
def test_the_prompt_does_not_depend_on_the_answer(
    answers: tuple[str, str], chains: tuple[str | None, str | None]
) -> None:
    for options in ({}, {"as_messages": True}, {"with_cot": False}):
        first, second = (
            format_raft(
                KOREAN | {"answer": answer, "cot": cot, "oracle_context": answer}, **options
            )
            for answer, cot in zip(answers, chains, strict=True)
        )
        assert first["prompt"] == second["prompt"]


@settings(max_examples=40, derandomize=True)
@given(answer=WORDS, cot=st.none() | WORDS, with_cot=st.booleans())
def test_the_final_answer_can_be_read_back(answer: str, cot: str | None, with_cot: bool) -> None:
    row = format_raft(KOREAN | {"answer": answer, "cot": cot}, with_cot=with_cot)
    assert raft_final_answer(row["completion"]) == answer.strip()


def test_with_datasets_map() -> None:
    rows = [KOREAN, {name: KOREAN[name] for name in ("context", "question", "answer")}]
    dataset = Dataset.from_list(rows)  # the second row's columns are filled with None
    mapped = dataset.map(format_raft, remove_columns=dataset.column_names)
    assert mapped.column_names == ["prompt", "completion"]
    assert mapped[0] == format_raft(KOREAN)
    assert mapped[1]["completion"] == " ##Answer: 서울"


def test_with_datasets_map_and_gorillas_nested_columns() -> None:
    dataset = Dataset.from_list([GORILLA])
    english = partial(format_raft, language="en", as_messages=True)
    mapped = dataset.map(english, remove_columns=dataset.column_names)
    assert mapped[0] == format_raft(GORILLA, language="en", as_messages=True)


def test_with_indices_puts_the_row_number_in_the_error() -> None:
    dataset = Dataset.from_list([KOREAN, KOREAN | {"answer": " "}])
    with pytest.raises(RowError, match="row 1, field 'answer' is empty"):
        dataset.map(format_raft, with_indices=True, remove_columns=dataset.column_names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "fr"}, r"language='fr' is not known; use one of \['en', 'ko'\]"),
        ({"system": "답하세요."}, "system needs as_messages=True"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        format_raft(KOREAN, **options)


def test_a_wrong_row_is_named() -> None:
    with pytest.raises(RowError, match="row 9, field 'question' is missing"):
        format_raft({"context": "글", "answer": "답"}, row_number=9)
