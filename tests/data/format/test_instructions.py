from collections.abc import Callable
from typing import Any

import pytest

from bitsft.data.fields import RowError
from bitsft.data.format.instructions import (
    LANGUAGE_NAMES,
    format_classification,
    format_qa,
    format_summarization,
    format_translation,
)
from bitsft.data.format.koalpaca import format_koalpaca

QA = {"question": "수도는?", "context": "서울은 수도이다.", "answers": ["서울", "서울시"]}
SUMMARY = {"document": "긴 글입니다.", "summary": "글"}
PAIR = {"source": "안녕", "target": "Hi", "source_language": "ko", "target_language": "en"}
REVIEW = {"text": "재밌다", "label": "긍정"}
ROWS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (format_qa, QA),
    (format_summarization, SUMMARY),
    (format_translation, PAIR),
    (format_classification, REVIEW),
]


def test_qa() -> None:
    assert format_qa(QA) == {
        "prompt": "### 질문: 수도는?\n\n### 맥락: 서울은 수도이다.\n\n### 답변:",
        "completion": " 서울",
    }
    asked = format_qa(QA, instruction="짧게 답하세요.", language="en")["prompt"]
    assert asked == (
        "### Question: 짧게 답하세요.\n\n수도는?\n\n### Context: 서울은 수도이다.\n\n### Answer:"
    )


def test_qa_reads_as_koalpacas_rows_with_a_context() -> None:
    row = {"instruction": QA["question"], "context": QA["context"], "output": "서울"}
    assert format_qa(QA) == format_koalpaca(row)
    assert format_qa(QA, template="v1.0") == format_koalpaca(row, template="v1.0")


def test_qa_reads_raw_rows() -> None:
    answers = {"text": ["서울"], "answer_start": [0]}
    assert format_qa(QA | {"answers": answers}) == format_qa(QA)


def test_summarization() -> None:
    assert format_summarization(SUMMARY) == {
        "prompt": "### 질문: 다음 글을 요약하세요.\n\n### 맥락: 긴 글입니다.\n\n### 답변:",
        "completion": " 글",
    }
    assert format_summarization(SUMMARY, language="en")["prompt"] == (
        "### Question: Summarize the text below.\n\n### Context: 긴 글입니다.\n\n### Answer:"
    )
    assert format_summarization(SUMMARY, instruction="한 줄로 줄이세요.")["prompt"] == (
        "### 질문: 한 줄로 줄이세요.\n\n### 맥락: 긴 글입니다.\n\n### 답변:"
    )
    assert format_summarization(SUMMARY, instruction="")["prompt"] == (
        "### 질문: 긴 글입니다.\n\n### 답변:"
    )


def test_translation() -> None:
    assert format_translation(PAIR) == {
        "prompt": "### 질문: 다음 글을 영어로 번역하세요.\n\n### 맥락: 안녕\n\n### 답변:",
        "completion": " Hi",
    }


@pytest.mark.parametrize(
    ("target", "language", "asked"),
    [
        ("ko_KR", "ko", "다음 글을 한국어로 번역하세요."),
        ("JA", "en", "Translate the text below into Japanese."),
        (None, "ko", "다음 글을 번역하세요."),
        ("tlh", "en", "Translate the text below."),
    ],
)
def test_names_of_languages(target: str | None, language: str, asked: str) -> None:
    row = PAIR | {"target_language": target}
    prompt = format_translation(row, language=language, as_messages=True)["prompt"]
    assert prompt == [{"role": "user", "content": f"{asked}\n\n안녕"}]


def test_korean_names_take_the_particle_of_the_instruction() -> None:
    assert LANGUAGE_NAMES["ko"].keys() == LANGUAGE_NAMES["en"].keys()
    for name in LANGUAGE_NAMES["ko"].values():
        final_consonant = (ord(name[-1]) - 0xAC00) % 28
        assert final_consonant == 0, name


def test_classification() -> None:
    assert format_classification(REVIEW) == {
        "prompt": "### 질문: 다음 글을 분류하세요.\n\n### 맥락: 재밌다\n\n### 답변:",
        "completion": " 긍정",
    }


def test_classification_lists_the_labels() -> None:
    labels = ["긍정", "부정"]
    assert format_classification(REVIEW, labels=labels)["prompt"] == (
        "### 질문: 다음 글을 분류하세요.\n보기: 긍정, 부정\n\n### 맥락: 재밌다\n\n### 답변:"
    )
    english = format_classification(REVIEW, labels=labels, language="en", instruction="")
    assert english["prompt"] == (
        "### Question: Options: 긍정, 부정\n\n### Context: 재밌다\n\n### Answer:"
    )
    with pytest.raises(RowError, match="row 2, field 'label' is not in labels"):
        format_classification(REVIEW | {"label": 3}, 2, labels=labels)
    with pytest.raises(ValueError, match="labels='긍정' is one text"):
        format_classification(REVIEW, labels="긍정")


def test_classification_of_pairs() -> None:
    row = {"text": "개가 짖는다.", "text_pair": "조용하다.", "label": "모순"}
    assert format_classification(row)["prompt"] == (
        "### 질문: 다음 두 글의 관계를 분류하세요.\n\n"
        "### 맥락: 글 1: 개가 짖는다.\n글 2: 조용하다.\n\n### 답변:"
    )


@pytest.mark.parametrize(("formatter", "row"), ROWS)
def test_messages(formatter: Callable[..., Any], row: dict[str, Any]) -> None:
    text, chat = formatter(row), formatter(row, as_messages=True, system="친절히.")
    assert [message["role"] for message in chat["prompt"]] == ["system", "user"]
    assert chat["prompt"][0]["content"] == "친절히."
    assert chat["completion"] == [{"role": "assistant", "content": text["completion"][1:]}]
    without_headings = text["prompt"].replace("### 질문: ", "").replace("### 맥락: ", "")
    assert chat["prompt"][1]["content"] == without_headings.removesuffix("\n\n### 답변:")


@pytest.mark.parametrize(("formatter", "row"), ROWS)
def test_wrong_options_and_rows(formatter: Callable[..., Any], row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="language='fr' is not known"):
        formatter(row, language="fr")
    with pytest.raises(ValueError, match="template='v2' is not known"):
        formatter(row, template="v2")
    with pytest.raises(ValueError, match="system needs as_messages=True"):
        formatter(row, system="친절히.")
    with pytest.raises(RowError, match="row 5, field"):
        formatter({}, 5)


def test_braces_in_the_data_are_kept() -> None:
    row = {"text": "{text_pair}", "text_pair": "{0} %s", "label": "{label}"}
    formatted = format_classification(row, labels=["{label}", "{x}"])
    assert "보기: {label}, {x}" in formatted["prompt"]
    assert "글 1: {text_pair}\n글 2: {0} %s" in formatted["prompt"]
    assert formatted["completion"] == " {label}"
