from typing import Any

import numpy as np
import pytest

from bitsft.data.check.classification import ClassificationRow, read_label_names
from bitsft.data.fields import RowError

NAMES = {"0": "부정", "1": "긍정"}


def label(value: Any, names: dict[str, str] | None = None) -> str:
    return ClassificationRow.from_raw({"text": "글", "label": value}, 3, label_names=names).label


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0, "0"),
        (True, "True"),
        (" 긍정 ", "긍정"),
        (1.0, "1"),
        (4.75, "4.75"),
        ("5.000", "5.000"),
        (np.int64(2), "2"),
    ],
)
def test_labels_become_texts(value: Any, text: str) -> None:
    assert label(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is missing"),
        ("", "is empty"),
        (float("nan"), "is empty"),
        (float("inf"), "is of type float, not text"),
        ([1], "is of type list, not text"),
        (2**64, "is of type int, not text"),
    ],
)
def test_what_is_no_label(value: Any, reason: str) -> None:
    for names in (None, NAMES):
        with pytest.raises(RowError) as caught:
            label(value, names)
        assert (caught.value.field, caught.value.reason) == ("label", reason)


@pytest.mark.parametrize("value", [1, "1", 1.0, "긍정", " 긍정"])
def test_names(value: Any) -> None:
    assert label(value, NAMES) == "긍정"


def test_names_without_regard_to_case() -> None:
    names = {"True": "참", "False": "거짓"}
    assert [label(each, names) for each in (True, "TRUE", "true", "FALSE", "참")] == [
        *("참", "참", "참", "거짓", "참")
    ]
    two = {"Ab": "하나", "aB": "둘"}
    assert label("aB", two) == "둘"
    with pytest.raises(RowError, match="is not in label_names"):
        label("ab", two)


def test_a_label_without_a_name() -> None:
    with pytest.raises(RowError) as caught:
        label(2, NAMES)
    assert str(caught.value) == (
        "row 3, field 'label' is not in label_names (got '2'). Name it there; known are 0, 1."
    )


def test_pairs() -> None:
    raw = {"label": 0, "text": "개가 짖는다.", "text_pair": " 조용하다. "}
    row = ClassificationRow.from_raw(raw, label_names=NAMES)
    assert list(row.columns().items()) == [
        ("text", "개가 짖는다."),
        ("label", "부정"),
        ("text_pair", "조용하다."),
    ]
    assert ClassificationRow.from_raw(row.columns(), label_names=NAMES) == row


def test_tables_of_names() -> None:
    assert read_label_names(None) is None
    assert read_label_names({0: "부정", True: " 긍정 "}) == {"0": "부정", "True": "긍정"}
    assert read_label_names(["부정", "긍정"]) == NAMES


@pytest.mark.parametrize("names", [{}, [], "부정", {0: ""}, {0: 1}, {None: "부정"}])
def test_wrong_tables_of_names(names: Any) -> None:
    with pytest.raises(ValueError, match="label_names"):
        read_label_names(names)
