import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.raft_builder.chunks import sentences, split_text

TEXT = "서울은 수도이다. 한강이 흐른다.\n\n부산은 항구이다. 바다가 있다."


def test_short_text_is_one_chunk() -> None:
    assert split_text(f"  {TEXT}\n", 100) == [TEXT]


def test_paragraphs_are_kept_whole() -> None:
    assert split_text(TEXT, 25) == [
        "서울은 수도이다. 한강이 흐른다.",
        "부산은 항구이다. 바다가 있다.",
    ]


def test_then_sentences() -> None:
    assert split_text(TEXT, 10) == [
        "서울은 수도이다.",
        "한강이 흐른다.",
        "부산은 항구이다.",
        "바다가 있다.",
    ]


def test_then_words_then_characters() -> None:
    assert split_text("가나 다라 마바사아자차", 5) == ["가나 다라", "마바사아자", "차"]


def test_a_number_does_not_end_a_sentence() -> None:
    assert sentences('길이는 3.5 m이다. "좋다!" 했다… 끝\n다음') == [
        "길이는 3.5 m이다.",
        '"좋다!"',
        "했다…",
        "끝",
        "다음",
    ]


def test_overlap_repeats_whole_sentences() -> None:
    text = "가가가. 나나나. 다다다. 라라라."
    assert split_text(text, 9, overlap=4) == [
        "가가가. 나나나.",
        "나나나. 다다다.",
        "다다다. 라라라.",
    ]
    assert split_text(text, 9, overlap=3) == ["가가가. 나나나.", "다다다. 라라라."]


def test_size_in_tokens() -> None:
    def words(text: str) -> int:
        return len(text.split())

    assert split_text("하나 둘 셋 넷 다섯", 2, size=words) == ["하나 둘", "셋 넷", "다섯"]


def test_one_character_is_never_cut() -> None:
    decomposed = unicodedata.normalize("NFD", "각각")
    assert split_text(decomposed, 1) == [unicodedata.normalize("NFD", "각")] * 2
    assert split_text("👩‍👩‍👧👍🏽", 1) == ["👩‍👩‍👧", "👍🏽"]


def test_white_space_has_no_chunks() -> None:
    assert split_text(" \n\u2028 ", 10) == []


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (-1, 0), (5, 5), (5, -1)])
def test_senseless_sizes(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        split_text("가", size, overlap=overlap)


PIECES = st.sampled_from(
    ["가", "나다", ". ", "! ", " ", "\n", "\n\n", "3.5", "\u1100\u1161\u11a8", "a", "?"]
)


@given(st.lists(PIECES, max_size=60).map("".join), st.integers(3, 12), st.integers(0, 2))
def test_chunks_cover_the_text_in_order(text: str, size: int, overlap: int) -> None:
    chunks = split_text(text, size, overlap=overlap)
    assert all(0 < len(chunk) <= size and chunk == chunk.strip() for chunk in chunks)
    if not overlap:
        assert "".join("".join(chunks).split()) == "".join(text.split())
    at = 0
    for chunk in chunks:
        at = text.index(chunk, at if not overlap else max(0, at - size))
        if not overlap:
            at += len(chunk)
    for character in set("".join(text.split())):
        assert any(character in chunk for chunk in chunks)
