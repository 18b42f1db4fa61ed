from typing import Any

import pytest

from bitsft.data.check.dialogue import DialogueRow
from bitsft.data.fields import RowError

USER = {"role": "user", "content": "안녕?"}
ASSISTANT = {"role": "assistant", "content": "안녕하세요."}
SYSTEM = {"role": "system", "content": "친절히."}


def test_row() -> None:
    given = [SYSTEM, USER, {"role": "assistant", "content": " 안녕하세요. ", "name": "봇"}]
    row = DialogueRow.from_raw({"messages": given, "source": "x"})
    assert row.columns() == {"messages": [SYSTEM, USER, ASSISTANT]}
    assert DialogueRow.from_raw(row.columns()) == row
    assert given[2]["content"] == " 안녕하세요. "


def test_sharegpt() -> None:
    given = [{"from": "human", "value": "안녕?"}, {"from": "gpt", "value": "안녕하세요."}]
    for extra in ({}, {"messages": None}):
        row = DialogueRow.from_raw({"conversations": given, "system": "친절히.", **extra})
        assert row.columns() == {"messages": [SYSTEM, USER, ASSISTANT]}


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        ({}, "messages", "is missing"),
        ({"messages": None}, "messages", "is missing"),
        ({"messages": []}, "messages", "is empty"),
        ({"messages": "[{}]"}, "messages", "is of type str, not a list"),
        ({"messages": ["안녕"]}, "messages[0]", "is of type str, not a mapping"),
        ({"messages": [None]}, "messages[0]", "is missing"),
        ({"messages": [{"content": "안녕"}]}, "messages[0].role", "is missing"),
        (
            {"messages": [{"role": "tool", "content": "{}"}]},
            "messages[0].role",
            "is not 'system', 'user' or 'assistant'",
        ),
        ({"messages": [USER, {"role": "assistant"}]}, "messages[1].content", "is missing"),
        ({"messages": [{**USER, "content": " "}]}, "messages[0].content", "is empty"),
        (
            {"messages": [{**USER, "content": []}]},
            "messages[0].content",
            "is of type list, not text",
        ),
        (
            {"conversations": [{"from": "human", "value": ""}]},
            "conversations[0].value",
            "is empty",
        ),
        ({"messages": [USER]}, "messages", "does not end with a message of the assistant"),
        ({"conversations": [USER, USER]}, "conversations[1]", "is out of turn"),
        ({"messages": [SYSTEM, USER, ASSISTANT], "system": "a"}, "system", "is given beside"),
        ({"messages": [USER, ASSISTANT], "system": 3}, "system", "is of type int, not text"),
    ],
)
def test_refused(raw: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        DialogueRow.from_raw(raw, 2)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)
    assert caught.value.row_number == 2
