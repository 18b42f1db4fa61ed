from typing import Any

import pytest

from bitsft.data.check.preference import PreferenceRow
from bitsft.data.fields import RowError

PLAIN = {"prompt": "수도는?", "chosen": "서울이에요.", "rejected": "몰라."}


def said(user: str, assistant: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN,
        PLAIN | {"prompt": said("수도는?", "")[:1]},
        PLAIN | {"chosen": said("", "서울이에요.")[1:], "rejected": said("", "몰라.")[1:]},
        {"chosen": said("수도는?", "서울이에요."), "rejected": said("수도는?", "몰라.")},
        PLAIN | {"chosen": said(" 수도는? ", "서울이에요."), "rejected": said("수도는?", "몰라.")},
        {
            "prompt": None,
            "chosen": [
                {"from": "human", "value": "수도는?"},
                {"from": "gpt", "value": "서울이에요."},
            ],
            "rejected": said("수도는?", "몰라."),
        },
    ],
)
def test_all_shapes(raw: dict[str, Any]) -> None:
    assert PreferenceRow.from_raw(raw).columns() == PLAIN


def test_a_system_message_is_put_before_the_prompt() -> None:
    prompt = [{"role": "system", "content": "짧게."}, {"role": "user", "content": "수도는?"}]
    assert PreferenceRow.from_raw(PLAIN | {"prompt": prompt}).prompt == "짧게.\n\n수도는?"


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"prompt": None}, "prompt", "is missing"),
        ({"prompt": []}, "prompt", "is empty"),
        ({"prompt": said("a", "b")}, "prompt", "has a prompt that is not one message of the user"),
        ({"prompt": said("a", "b")[1:]}, "prompt", "has a prompt that is not one message"),
        ({"chosen": None}, "chosen", "is missing"),
        ({"chosen": 3}, "chosen", "is of type int, not text"),
        ({"chosen": []}, "chosen", "is empty"),
        ({"chosen": ["서울"]}, "chosen[0]", "is of type str, not a mapping"),
        ({"chosen": [{"role": "assistant"}]}, "chosen[0].content", "is missing"),
        ({"chosen": said("수도는?", "a")[:1]}, "chosen", "does not end with a message of the"),
        ({"chosen": said("다른 질문", "서울")}, "chosen", "begins with another prompt than"),
        ({"chosen": said("a", "b") + said("c", "d")}, "chosen", "has a prompt that is not one"),
        ({"rejected": "서울이에요. "}, "rejected", "is the same as 'chosen'"),
        (
            {"chosen": "\uac00", "rejected": "\u1100\u1161"},
            "rejected",
            "is the same as 'chosen'",
        ),
    ],
)
def test_refused(changes: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        PreferenceRow.from_raw(PLAIN | changes, 8)
    assert caught.value.field == field
    assert caught.value.reason.startswith(reason)
    assert caught.value.row_number == 8
