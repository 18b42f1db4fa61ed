import pytest

from bitsft.data.fields import RowError
from bitsft.data.format.conversation import format_dialogue, format_preference

MESSAGES = [
    {"role": "system", "content": "짧게 답하세요."},
    {"role": "user", "content": "수도는?"},
    {"role": "assistant", "content": "서울이에요."},
    {"role": "user", "content": "인구는 {0}?"},
    {"role": "assistant", "content": "약 900만 명이에요."},
]
PREFERENCE = {"prompt": "수도는?", "chosen": "서울이에요.", "rejected": "몰라."}


def test_dialogue_as_messages() -> None:
    row = format_dialogue({"messages": MESSAGES}, as_messages=True)
    assert row == {"prompt": MESSAGES[:-1], "completion": MESSAGES[-1:]}


def test_whose_system_message() -> None:
    own = format_dialogue({"messages": MESSAGES}, as_messages=True, system="길게.")
    assert own["prompt"][0] == MESSAGES[0]
    none = format_dialogue({"messages": MESSAGES[1:3]}, as_messages=True, system="길게.")
    assert none["prompt"] == [{"role": "system", "content": "길게."}, MESSAGES[1]]


def test_dialogue_as_text() -> None:
    assert format_dialogue({"messages": MESSAGES}) == {
        "prompt": (
            "짧게 답하세요.\n\n### 질문: 수도는?\n\n### 답변: 서울이에요.\n\n"
            "### 질문: 인구는 {0}?\n\n### 답변:"
        ),
        "completion": " 약 900만 명이에요.",
    }
    assert format_dialogue({"messages": MESSAGES[1:3]}, language="en") == {
        "prompt": "### Question: 수도는?\n\n### Answer:",
        "completion": " 서울이에요.",
    }


def test_dialogue_in_sharegpts_notation() -> None:
    raw = {
        "conversations": [{"from": "human", "value": "수도는?"}, {"from": "gpt", "value": "서울"}]
    }
    assert format_dialogue(raw)["completion"] == " 서울"


def test_the_row_is_not_changed() -> None:
    messages = [dict(message) for message in MESSAGES[1:3]]
    format_dialogue({"messages": messages}, as_messages=True, system="길게.")["prompt"].clear()
    assert messages == MESSAGES[1:3]


def test_preference() -> None:
    assert format_preference(PREFERENCE) == {
        "prompt": "### 질문: 수도는?\n\n### 답변:",
        "completion": " 서울이에요.",
    }
    assert format_preference(PREFERENCE, as_messages=True) == {
        "prompt": [{"role": "user", "content": "수도는?"}],
        "completion": [{"role": "assistant", "content": "서울이에요."}],
    }


def test_wrong_options_and_rows() -> None:
    for formatter, row in (
        (format_dialogue, {"messages": MESSAGES}),
        (format_preference, PREFERENCE),
    ):
        with pytest.raises(ValueError, match="language='fr' is not known"):
            formatter(row, language="fr")
        with pytest.raises(ValueError, match="system needs as_messages=True"):
            formatter(row, system="길게.")
        with pytest.raises(RowError, match="row 1, field"):
            formatter({}, 1)
