import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.comparison.report.marks import MarkedAnswer, marked_answer

WORDS = st.lists(
    st.sampled_from(["서울", "서울의", "인구는", "인구가", "많다", ".", "a", "👨\u200d👩"]),
    max_size=8,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


def written(marked: MarkedAnswer) -> str:
    signs = {"same": "{}", "extra": "+{}+", "missing": "-{}-"}
    return "".join(signs[span.kind].format(span.text) for span in marked.spans)


@pytest.mark.parametrize(
    ("answer", "reference", "shown"),
    [
        # The seed example of the metrics.
        ("서울 인구는 약 1천만 명입니다", "서울의 인구는 약 천만 명입니다", "서울-의- 인구는 약 +1+천만 명입니다"),
        ("인구가 많다", "인구는 많다", "인구-는-+가+ 많다"),
        ("가 나 다 라", "가 마 바 라", "가 -마 바-+나 다+ 라"),
        ("the cat sat", "the cat is on the mat", "the cat -is on the mat-+sat+"),
        ("1999년에 지었다", "1998년에 지었다", "-1998년에-+1999년에+ 지었다"),
        ("인구는 400만입니다.", "인구는 399만입니다.", "인구는 -399-+400+만입니다."),
        ("답은 둘", "답은 둘 셋", "답은 둘- 셋-"),
    ],
)  # fmt: skip
def test_only_what_differs_is_marked(answer: str, reference: str, shown: str) -> None:
    assert written(marked_answer(answer, reference)) == shown


def test_equal_but_for_spaces_and_unicode_form() -> None:
    marked = marked_answer(unicodedata.normalize("NFD", "한글  이다\n"), "한글 이다")
    assert marked.verdict == "equal"
    assert len(marked.spans) == 1


def test_what_has_little_in_common_is_not_marked() -> None:
    assert marked_answer("긍정", "부정") == marked_answer("긍정", "중립 또는 부정")
    assert marked_answer("긍정", "부정").verdict == "unlike"
    assert marked_answer("", "부정").spans == ()


def test_a_decomposed_syllable_is_not_divided() -> None:
    answer, reference = (
        unicodedata.normalize("NFD", text) for text in ("학교각 크다", "학교간 크다")
    )
    spans = marked_answer(answer, reference).spans
    assert [unicodedata.normalize("NFC", span.text) for span in spans] == [
        "학교",
        "간",
        "각",
        " 크다",
    ]


@given(WORDS, WORDS)
def test_both_texts_can_be_read_from_the_marks(answer: list[str], reference: list[str]) -> None:
    said, wanted = " ".join(answer), " ".join(reference)
    marked = marked_answer(said, wanted)
    assert "".join(span.text for span in marked.spans if span.kind != "missing") == said
    if marked.verdict == "similar":
        kept = "".join(span.text for span in marked.spans if span.kind != "extra")
        assert kept.replace(" ", "") == wanted.replace(" ", "")
        assert not any(
            one.kind == other.kind
            for one, other in zip(marked.spans, marked.spans[1:], strict=False)
        )


@given(ANY_TEXT, ANY_TEXT)
def test_no_letter_of_the_answer_is_lost(answer: str, reference: str) -> None:
    spans = marked_answer(answer, reference).spans
    assert "".join(span.text for span in spans if span.kind != "missing") == answer
