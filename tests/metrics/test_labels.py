"""Which label a generated text names: every case decided by hand."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics.labels import LabelReader

SENTIMENT = ("긍정", "부정", "매우 긍정")
NUMBERS = ("1", "10", "-1", "1.5")
TOPICS = ("IT/과학", "(주)삼성", "U.S. politics", "***", "네", "네요")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("긍정", "긍정"),
        (" 긍정\n", "긍정"),
        ("긍정.", "긍정"),
        ("긍정입니다", "긍정"),
        ("긍정입니다.", "긍정"),
        ("긍정이에요!", "긍정"),
        ("긍정적", "긍정"),
        ("긍정적이다", "긍정"),
        ('"긍정"', "긍정"),
        ('"긍정"입니다.', "긍정"),
        ("**긍정**", "긍정"),
        ("[긍정] 재미있어서", "긍정"),
        ("긍정 (재미있어서)", "긍정"),
        ("긍정: 재미있어서", "긍정"),
        ("긍정. 재미있다고 합니다.", "긍정"),
        ("긍정\n### 질문: 다음", "긍정"),
        ("긍정\n부정", "긍정"),
        ("부정적입니다", "부정"),
        ("매우 긍정", "매우 긍정"),
        ("매우긍정적입니다.", "매우 긍정"),
        ("부정적 긍정", None),
        ("긍정, 부정", None),
        ("긍정 또는 부정", None),
        ("긍정 아님", None),
        ("긍정이 아닙니다", None),
        ("긍정도 부정도 아닙니다", None),
        ("비긍정", None),
        ("긍정문", None),
        ("긍정번", None),
        ("이 글은 긍정입니다", None),
        ("", None),
        (" \n ", None),
        ("...", None),
    ],
)
def test_sentiment(text: str, label: str | None) -> None:
    assert LabelReader(SENTIMENT).read(text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1", "1"),
        ("10", "10"),
        ("1번", "1"),
        ("10번입니다.", "10"),
        ("1.", "1"),
        ("1.5", "1.5"),
        ("1. 그렇다", "1"),
        ("-1", "-1"),
        ("1 0", None),
        ("1\n0", "1"),
        ("1.2", None),
        ("100", None),
        ("11", None),
        ("+1", None),
    ],
)
def test_numbers(text: str, label: str | None) -> None:
    assert LabelReader(NUMBERS).read(text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("it/과학", "IT/과학"),
        ("(주)삼성", "(주)삼성"),
        ("(주)삼성입니다", "(주)삼성"),
        ("(주)삼성 (서울)", None),  # brackets close a clause, in a label too
        ("U.S. Politics\n#", "U.S. politics"),
        ("***", "***"),
        ("네", "네"),
        ("네요", "네요"),
        ("네입니다", "네"),
    ],
)
def test_labels_with_marks_in_them(text: str, label: str | None) -> None:
    assert LabelReader(TOPICS).read(text) == label


def test_english_and_case() -> None:
    reader = LabelReader(["True", "False"])
    assert [reader.read(text) for text in ("TRUE", "false.", "untrue", "True, I think")] == [
        "True",
        "False",
        None,
        None,
    ]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=4), st.text(max_size=12))
def test_labels_read_as_themselves_in_any_unicode_form(labels: list[str], text: str) -> None:
    try:
        reader = LabelReader(labels)
    except ValueError:
        return
    for label in labels:
        # a label of several lines cannot be written in one; nothing else may keep it from being read
        if len(label.strip().splitlines()) == 1:
            assert reader.read(label) == label
            assert reader.read(unicodedata.normalize("NFD", label)) == label
    assert reader.read(text) in (None, *labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "labels is empty"),
        (["긍정", "\u200b "], "which is blank"),
        (["True", "TRUE"], "'True' and 'TRUE', which differ in case"),
        (["매우 긍정", "매우긍정"], "differ in case, white space"),
        (["가", unicodedata.normalize("NFD", "가")], "Unicode form only"),
    ],
)
def test_labels_that_cannot_be_told_apart(labels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelReader(labels)


def test_one_string_is_no_list_of_labels() -> None:
    with pytest.raises(TypeError, match="put it in brackets"):
        LabelReader("긍정")
