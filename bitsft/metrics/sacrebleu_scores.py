"""Corpus BLEU and chrF by sacreBLEU, with a Korean tokenizer that is loaded once.

BLEU (Papineni et al. 2002, https://aclanthology.org/P02-1040), p_n = share of the predictions'
n-grams that occur in the reference, over the whole corpus:

    BLEU = 100 * min(1, exp(1 - reference length / prediction length)) * (p_1 p_2 p_3 p_4) ** (1/4)

chrF (Popović 2015, https://aclanthology.org/W15-3049) is the F2 of character 1- to 6-grams without
spaces; it needs no tokenizer, and so no extra.

The values are sacreBLEU's. `eff:yes` in BLEU's signature means that orders of which the corpus has
no n-gram are left out, so that identical one-word texts score 100; it changes nothing once a
prediction has four tokens. BLEU is a corpus measure: the value of a few rows says little.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bitsft.metrics.pairs import read_pairs
from bitsft.metrics.score import Score
from bitsft.metrics.tokenizers import dictionary_signature, mecab, resolve_tokenizer

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU

# The sacreBLEU tokenizer of each of ours; `none` stands for the shared MeCab object.
_SACREBLEU_NAME = {"mecab": "none", "char": "char", "word": "13a"}


def bleu(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: str = "auto",
    lowercase: bool = False,
    unigram_precision: bool = False,
) -> dict[str, Score]:
    """Corpus BLEU of n predictions against one reference each, 0 to 100.

    Args:
        predictions: n texts.
        references: n texts.
        tokenizer: `"auto"` (sacreBLEU's `ko-mecab` with the extra `ko`, else `char`), `"mecab"`,
            `"char"`, or `"word"` (sacreBLEU's `13a`, for English and other spaced scripts).
        lowercase: Compare in lower case.
        unigram_precision: Also return `bleu1_precision`, the clipped 1-gram precision without the
            brevity penalty, 0 to 1. (BLEU-1 proper includes the penalty and is lower.)

    Returns:
        `{"bleu": Score}`, with `bleu1_precision` when asked for.

    Raises:
        ValueError: When the lists are empty or differ in length, or the tokenizer is unknown.
        ImportError: When `"mecab"` is asked for and the extra `ko` is not installed.
    """
    predictions, references = read_pairs(predictions, references)
    name = resolve_tokenizer(tokenizer)
    metric = _bleu(name, lowercase)
    result = metric.corpus_score(predictions, [references])
    signature = f"{metric.get_signature()}|norm:nfc"
    if name == "mecab":
        signature = f"{signature}|{dictionary_signature()}"
    # exp(log(100)) is 100.00000000000004
    scores = {"bleu": Score("bleu", min(float(result.score), 100.0), signature)}
    if unigram_precision:
        value = float(result.precisions[0]) / 100
        scores["bleu1_precision"] = Score("bleu1_precision", value, f"bp:none|{signature}")
    return scores


def chrf(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    char_order: int = 6,
    word_order: int = 0,
    beta: int = 2,
    lowercase: bool = False,
) -> dict[str, Score]:
    """Corpus chrF of n predictions against one reference each, 0 to 100.

    Args:
        predictions: n texts.
        references: n texts.
        char_order: Longest character n-gram.
        word_order: Longest word n-gram; 2 gives chrF++. Korean particles stay attached to words.
        beta: How many times recall counts against precision.
        lowercase: Compare in lower case.

    Returns:
        `{"chrf": Score}`; the signature holds the orders and beta.

    Raises:
        ValueError: When the lists are empty or differ in length.
    """
    from sacrebleu.metrics import CHRF

    predictions, references = read_pairs(predictions, references)
    metric = CHRF(char_order=char_order, word_order=word_order, beta=beta, lowercase=lowercase)
    value = min(float(metric.corpus_score(predictions, [references]).score), 100.0)
    signature = f"{metric.get_signature()}|beta:{beta}|norm:nfc"
    return {"chrf": Score("chrf", value, signature)}


@functools.lru_cache(maxsize=8)
def _bleu(tokenizer: str, lowercase: bool) -> "BLEU":
    from sacrebleu.metrics import BLEU

    # force=True only silences sacreBLEU's guess that the text was tokenized beforehand
    metric = BLEU(
        tokenize=_SACREBLEU_NAME[tokenizer],
        lowercase=lowercase,
        effective_order=True,
        force=True,
    )
    if tokenizer == "mecab":
        # BLEU(tokenize="ko-mecab") would open a second tagger
        metric.tokenizer = mecab()
        metric.tokenizer_signature = metric.tokenizer.signature()
    return metric
