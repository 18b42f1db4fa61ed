import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bitsft.pages.visible import (
    chart_label,
    cut,
    cut_to_columns,
    syllable_start,
    visible,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def test_what_shows_nothing_is_written_out() -> None:
    assert visible("가\u200b나\x00다\u202e라\ufeff") == "가⟨U+200B⟩나⟨U+0000⟩다⟨U+202E⟩라⟨U+FEFF⟩"
    assert visible("반쪽 \ud83d, 줄\u2028바꿈\r\n") == "반쪽 ⟨U+D83D⟩, 줄⟨U+2028⟩바꿈⟨U+000D⟩\n"


def test_what_is_seen_stays() -> None:
    family = "👨\u200d👩\u200d👧 ❤\ufe0f"
    nfd = unicodedata.normalize("NFD", "한글")
    for text in (family, nfd, "ㅋㅋㅋ\t①\u3000끝\n"):
        assert visible(text) == text


@given(ANY_TEXT)
def test_every_text_can_be_written_as_utf8(text: str) -> None:
    shown = visible(text)
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert "\x00" not in shown
    assert visible(shown) == shown


def test_cut() -> None:
    assert cut("가나다", 3) == "가나다"
    assert cut("가나다라", 3) == "가나다…"
    # ᄒ ᅡ ᆫ ᄀ ᅳ ᆯ: the cut after five jamo would divide the second syllable.
    assert cut(unicodedata.normalize("NFD", "한글"), 5) == unicodedata.normalize("NFD", "한") + "…"
    assert cut("e\u0301e\u0301", 3) == "e\u0301…"
    assert syllable_start("\u0301\u0301", 1) == 0


def test_cut_to_columns_counts_hangul_twice() -> None:
    assert cut_to_columns("가나다", 6) == "가나다"
    assert cut_to_columns("가나다", 5) == "가나…"
    assert cut_to_columns("abcdef", 5) == "abcde…"


def test_chart_label() -> None:
    assert chart_label("a\nb\t <b>c</b> & d") == "a b &lt;b&gt;c&lt;/b&gt; &amp; d"
    assert chart_label("가나다라", 4) == "가나…"


@given(ANY_TEXT)
def test_no_markup_in_chart_labels(text: str) -> None:
    label = chart_label(text)
    assert not set("<>\n") & set(label)
    label.encode("utf-8")
