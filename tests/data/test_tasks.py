"""What the columns of each task are for."""

import pytest

from bitsft.data.tasks import TASKS, map_texts, task_named, task_of, texts_of

RAFT = {
    "task": "raft",
    "question": "수도는?",
    "context": ["부산은 항구다.", "서울은 수도다."],
    "answer": "서울",
    "oracle_context": "서울은 수도다.",
}
DIALOGUE = {
    "task": "dialogue",
    "messages": [
        {"role": "user", "content": "안녕"},
        {"role": "assistant", "content": "반가워요"},
        {"role": "user", "content": "잘 가"},
        {"role": "assistant", "content": "네"},
    ],
}


def test_a_row_names_its_task() -> None:
    assert task_of(RAFT) is TASKS["raft"]
    with pytest.raises(ValueError, match="has no 'task'; pass it through check_records first"):
        task_of({"question": "?"})
    with pytest.raises(ValueError, match="task='rag' is not known; use one of raft, koalpaca"):
        task_named("rag")


def test_questions_and_answers() -> None:
    assert TASKS["raft"].question_text(RAFT) == "수도는?"
    assert TASKS["raft"].answer_text(RAFT) == "서울"
    alpaca = {"instruction": "요약해", "input": "긴 글", "output": "짧은 글"}
    assert TASKS["koalpaca"].question_text(alpaca) == "요약해\n긴 글"
    assert TASKS["koalpaca"].question_text({"instruction": "요약해", "output": ""}) == "요약해"
    assert TASKS["dialogue"].question_text(DIALOGUE) == "안녕\n반가워요\n잘 가"
    assert TASKS["dialogue"].answer_text(DIALOGUE) == "네"
    assert TASKS["qa"].answer_text({"answers": ["서울", "서울시"]}) == "서울\n서울시"


def test_documents_by_which_rows_belong_together() -> None:
    assert TASKS["raft"].document_texts(RAFT) == ("서울은 수도다.",)
    assert TASKS["raft"].document_texts({**RAFT, "oracle_context": None}) == ()
    assert TASKS["raft"].document_texts({"context": ["하나"]}) == ("하나",)
    assert TASKS["qa"].document_texts({"context": "문서", "question": "?"}) == ("문서",)
    assert TASKS["classification"].document_texts({"text": "좋다", "label": "1"}) == ()


def test_columns() -> None:
    assert TASKS["raft"].columns == (
        "question",
        "context",
        "answer",
        "cot",
        "instruction",
        "oracle_context",
    )
    assert TASKS["koalpaca"].columns == ("instruction", "input", "output")
    assert TASKS["summarization"].columns == ("document", "summary")


def test_texts_are_found_and_changed_wherever_they_are() -> None:
    assert list(texts_of(DIALOGUE["messages"])) == ["안녕", "반가워요", "잘 가", "네"]
    assert list(texts_of({"role": "user"})) == []
    assert list(texts_of(7)) == []
    messages = DIALOGUE["messages"]
    assert map_texts(messages, str.upper) is messages, "nothing changed, nothing copied"
    changed = map_texts(messages, lambda text: text.replace("안녕", "안녕하세요"))
    assert changed[0] == {"role": "user", "content": "안녕하세요"}
    assert changed[1] is messages[1]
    assert messages[0]["content"] == "안녕", "the caller's row is left alone"
    assert map_texts(("가", 1, None), lambda text: text + "나") == ["가나", 1, None]
