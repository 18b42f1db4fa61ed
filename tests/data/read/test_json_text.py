import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.read.json_text import BrokenJsonError, JsonText

VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3)
    ),
    max_leaves=6,
)


def elements(text: JsonText) -> list[Any]:
    return [text.value() for _ in text.elements()]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    values=st.lists(VALUE, max_size=4),
    window=st.integers(1, 20),
    indent=st.sampled_from([None, 1]),
    ascii=st.booleans(),
)
def test_any_list_through_any_window(
    values: list[Any], window: int, indent: int | None, ascii: bool
) -> None:
    text = JsonText(io.StringIO(json.dumps(values, indent=indent, ensure_ascii=ascii)), window)
    assert elements(text) == values
    assert text.peek() == ""


@settings(max_examples=100, derandomize=True, deadline=None)
@given(row=st.dictionaries(st.text(max_size=3), VALUE, max_size=4), window=st.integers(1, 20))
def test_any_object_through_any_window(row: dict[str, Any], window: int) -> None:
    text = JsonText(io.StringIO(json.dumps(row)), window)
    assert {key: text.value() for key in text.members()} == row


@pytest.mark.parametrize("window", [1, 7, 1000])
def test_numbers_and_literals_are_not_cut(window: int) -> None:
    text = JsonText(io.StringIO("[123456789, -Infinity, 1.5e-3, true]"), window)
    assert elements(text) == [123456789, -float("inf"), 0.0015, True]


@pytest.mark.parametrize("window", [1, 7, 1000])
@pytest.mark.parametrize(
    ("broken", "message", "place"),
    [
        ('[{"q": "a"},\n {"q": }]', "Expecting value", "line 2, column 8"),
        ('[{"q": "a"},\n\n', "Expecting value", "line 3, column 1"),
        ('[{"q": "a"}\n {"q": 1}]', "Expecting ',' or ']'", "line 2, column 2"),
        ('[1, "가나\n다"]', "Invalid control character at", "line 1, column 8"),
        ('[1, "가나', "Unterminated string starting at", "line 1, column 5"),
        ("[1", "Expecting ',' or ']'", "line 1, column 3"),
        ("{}", "Expecting a list", "line 1, column 1"),
    ],
)
def test_places(window: int, broken: str, message: str, place: str) -> None:
    with pytest.raises(BrokenJsonError) as caught:
        elements(JsonText(io.StringIO(broken), window))
    assert (caught.value.message, caught.value.place) == (message, place)


@pytest.mark.parametrize(
    "broken", ['{"a" 1}', "{1: 2}", '{"a": 1', '{"a": 1 "b"}', '{"a": 1,}', "["]
)
def test_broken_objects(broken: str) -> None:
    text = JsonText(io.StringIO(broken))
    with pytest.raises(BrokenJsonError, match="Expecting"):
        for _ in text.members():
            text.value()


def test_memory_is_that_of_a_window() -> None:
    text = JsonText(io.StringIO("[" + ",".join(['{"a": "가나다라"}'] * 5000) + "]"), 100)
    longest = 0
    for _ in text.elements():
        text.value()
        longest = max(longest, len(text._text))
    assert longest < 250
