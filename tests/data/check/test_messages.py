from typing import Any

import pytest

from bitsft.data.check.messages import Message, check_turns, with_one_notation
from bitsft.data.fields import RowError


def test_both_notations() -> None:
    openai = [{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "네"}]
    sharegpt = [{"from": "human", "value": "안녕"}, {"from": "gpt", "value": "네", "weight": 1}]
    assert with_one_notation(openai) == (openai, {})
    assert with_one_notation(sharegpt) == (openai, {"role": "from", "content": "value"})


@pytest.mark.parametrize(
    ("word", "role"),
    [("Human", "user"), (" USER", "user"), ("chatgpt", "assistant"), ("tool", "tool"), (3, 3)],
)
def test_words_for_roles(word: Any, role: Any) -> None:
    assert with_one_notation([{"role": word, "content": "글"}])[0][0]["role"] == role


def test_columns_filled_with_none_are_not_there() -> None:
    messages = [{"role": None, "content": None, "from": "gpt", "value": "네"}]
    assert with_one_notation(messages)[0] == [{"role": "assistant", "content": "네"}]


def test_what_is_no_message_stays_for_the_schema() -> None:
    assert with_one_notation(["안녕", None, {}])[0] == ["안녕", None, {}]
    assert with_one_notation("안녕") == ("안녕", {})


def turns(roles: str) -> list[Message]:
    names = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": names[role], "content": "글"} for role in roles]  # type: ignore[typeddict-item]


@pytest.mark.parametrize("roles", ["ua", "sua", "uaua", "suauaua"])
def test_turns_in_order(roles: str) -> None:
    check_turns(turns(roles), "messages", None)
    with pytest.raises(RowError):  # and not one turn further
        check_turns(turns(roles + "a"), "messages", None)


@pytest.mark.parametrize(
    ("roles", "field", "reason"),
    [
        ("a", "messages[0]", "is out of turn"),
        ("uua", "messages[1]", "is out of turn"),
        ("usa", "messages[1]", "is out of turn"),
        ("ssua", "messages[1]", "is out of turn"),
        ("sa", "messages[1]", "is out of turn"),
        ("uaa", "messages[2]", "is out of turn"),
        ("u", "messages", "does not end with a message of the assistant"),
        ("uau", "messages", "does not end with a message of the assistant"),
        ("s", "messages", "does not end with a message of the assistant"),
    ],
)
def test_turns_out_of_order(roles: str, field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        check_turns(turns(roles), "messages", 1)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)
