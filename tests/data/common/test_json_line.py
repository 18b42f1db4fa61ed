import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.common.json_line import any_json_line, json_line, same_json_line
from bitsft.data.records import Record

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_a_line_reads_back_as_the_row(values: dict) -> None:
    line = json_line(Record(values))
    assert json.loads(line) == values
    assert len(line.decode("utf-8").splitlines()) == 1


def test_bytes() -> None:
    row = {"text": "가나\u2028다\n라 ㅋㅋ🙂", "n": 1, "parts": ("가", None), "x": math.nan}
    assert json_line(Record(row)).decode("utf-8") == (
        '{"text": "가나\\u2028다\\n라 ㅋㅋ🙂", "n": 1, "parts": ["가", null], "x": null}'
    )
    assert math.isnan(row["x"])


def test_forms_of_unicode_are_kept() -> None:
    composed, decomposed = "각", "\u1100\u1161\u11a8"
    assert json.loads(json_line(Record({"a": composed, "b": decomposed}))) == {
        "a": composed,
        "b": decomposed,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"text": "가나", "answer": "반쪽 \ud83d 문자"},
            r"^a.csv, row 7, column 'answer': holds half of a surrogate pair, in .* Repair the text",
        ),
        ({"\ud83d": "가"}, r"row 7, column '\\ud83d': holds half of a surrogate pair"),
        ({"a": [1, {"b": math.inf}]}, r"row 7, column 'a': inf is no number that JSON"),
        ({"a": {3: "가"}}, r"row 7: column 'a' has the name 3, which is no text"),
        ({3: "가"}, r"row 7: the row has the name 3, which is no text"),
        ({"a": {"b": b"x"}}, r"row 7, column 'a': a bytes \(b'x'\) cannot be written"),
        ({"a": {1, 2}}, r"row 7, column 'a': a set \(\{1, 2\}\) cannot be written"),
    ],
)
def test_what_has_no_form_in_json(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        json_line(Record(values, "a.csv", 7))


def test_deep_nesting_is_an_error_and_not_a_recursion() -> None:
    value: object = "가"
    for _ in range(20):
        value = [value]
    assert json.loads(json_line(Record({"a": value}))) == {"a": value}
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="row 0, column 'a': more than 20 lists and objects"):
        json_line(Record({"a": value}))
    while isinstance(value, list):  # taken apart by hand: freeing it at once would recurse
        value = value.pop()


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_the_same_line_gives_the_same_row(values: dict) -> None:
    line = same_json_line(Record(values))
    assert line == json_line(Record(values))


@pytest.mark.parametrize(
    "value",
    [
        ("가",),
        b"x",
        {1: "가"},
        ["\ud83d"],
        True,
        [10**5000],
        np.float64(0.5),
        np.str_("가"),
        {"가"},
    ],
)
def test_what_would_not_come_back_has_no_same_line(value: object) -> None:
    line = same_json_line(Record({"a": value}))
    assert line == (b'{"a": true}' if value is True else None)


def test_numbers_that_json_lacks_come_back_from_a_line_that_says_so() -> None:
    line = same_json_line(Record({"a": [math.nan, -math.inf], "b": "NaN"}))
    assert line == b' {"a": [NaN, -Infinity], "b": "NaN"}'
    assert str(json.loads(line)["a"]) == "[nan, -inf]"


def test_any_value_has_a_line_of_its_own() -> None:
    values = {
        "a": "가\u2028나\u0085",
        "b": [math.nan],
        "c": b"x",
        "d": {1, 2},
        "e": [1, None],
        "f": 10**5000,
    }
    line = any_json_line(values)
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {
        "a": "가\u2028나\u0085",
        "b": "[nan]",
        "c": "b'x'",
        "d": "{1, 2}",
        "e": [1, None],
        "f": "<int>",
    }
    assert any_json_line({"a": "가 \ud83d", "b": "나"}).isascii()
    assert json.loads(any_json_line({"a": "가 \ud83d"})) == {"a": "가 \ud83d"}
