import json
import math
from typing import Any

import pytest

from bitsft.data.read.json_values import RowFaultError, is_deep, next_value, whole_value


def test_values_as_python_reads_them() -> None:
    assert whole_value('{"a": 1.50, "b": [12345678901234567890, true, null]}\r\n') == {
        "a": 1.5,
        "b": [12345678901234567890, True, None],
    }
    assert math.isnan(whole_value('{"a": NaN}')["a"])
    assert whole_value('{"a": -Infinity}') == {"a": -math.inf}
    assert whole_value('"\\ud83d"') == "\ud83d"
    assert next_value('[1] {"a": 2},', 4) == ({"a": 2}, 12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', "gives a key twice"),
        ('{"b": [{"a": 1, "c": 2, "a": 3}]}', "gives a key twice"),
        ('{"a": ' + "1" * 4301 + "}", "holds a number that is too long"),
        ('{"a": ' + "[" * 101 + "]" * 101 + "}", "is nested too deep"),
    ],
)
def test_what_no_row_may_hold(text: str, reason: str) -> None:
    with pytest.raises(RowFaultError) as caught:
        whole_value(text)
    assert caught.value.reason == reason
    fault, end = next_value(text + ", 1", 0)
    assert isinstance(fault, RowFaultError)
    assert (fault.reason, end) == (reason, len(text))


def test_brackets_in_texts_are_not_nesting() -> None:
    assert whole_value(json.dumps({"a": "[" * 1000})) == {"a": "[" * 1000}


def test_beyond_the_recursion_limit() -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(RowFaultError, match="is nested too deep"):
            whole_value(text)
        with pytest.raises(RowFaultError, match="is nested too deep"):
            next_value(text, 0)


def test_depth() -> None:
    def nested(levels: int) -> Any:
        value: Any = []
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    assert not is_deep("text")
    assert not is_deep(nested(100))
    assert is_deep(nested(101))


def test_broken_json_keeps_its_place() -> None:
    with pytest.raises(json.JSONDecodeError, match=r"line 1 column 7 \(char 6\)"):
        whole_value('{"q": }')
    with pytest.raises(json.JSONDecodeError):
        next_value('{"a": 1, "a": 2', 0)
