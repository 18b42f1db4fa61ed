"""Corpus BLEU and chrF by sacreBLEU, with a Korean tokenizer that is loaded once.

BLEU (Papineni et al. 2002, https://aclanthology.org/P02-1040), p_n = share of the predictions'
n-grams that occur in the reference, over the whole corpus:

    BLEU = 100 * min(1, exp(1 - reference length / prediction length)) * (p_1 p_2 p_3 p_4) ** (1/4)

chrF (Popović 2015, https://aclanthology.org/W15-3049) is the F2 of character 1- to 6-grams without
spaces; it needs no tokenizer, and so no extra.

sacreBLEU counts each row; the two formulas are written here once more for whole arrays of sums, so
that intervals and parts of the rows cost no counting, and equal sacreBLEU's to 1e-9. `eff:yes` in BLEU's
signature means that orders of which the corpus has no n-gram are left out, so that identical one-word
texts score 100; it changes nothing once a prediction has four tokens. A `Score`'s rows are the BLEU and chrF
of single sentences: good for sorting, while their mean is not the corpus value. BLEU is a corpus measure:
the value of a few rows says little.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bitsft.metrics.pairs import read_pairs
from bitsft.metrics.score import Score, Statistics, ratio_score
from bitsft.metrics.tokenizers import dictionary_signature, mecab, resolve_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics import BLEU

# The sacreBLEU tokenizer of each of ours; `none` stands for the shared MeCab object.
_SACREBLEU_NAME = {"mecab": "none", "char": "char", "word": "13a"}
_ORDERS = 4


def bleu(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: str = "auto",
    lowercase: bool = False,
    unigram_precision: bool = False,
    precisions: bool = False,
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
        precisions: Also return `bleu1_precision` to `bleu4_precision`: matched n-grams by n-grams, without
            the smoothing that BLEU puts for none. Where no text has n tokens it is 0.

    Returns:
        `{"bleu": Score}`, with the precisions asked for.

    Raises:
        ValueError: When the lists are empty or differ in length, or the tokenizer is unknown.
        ImportError: When `"mecab"` is asked for and the extra `ko` is not installed.

    Source: Papineni et al. 2002, https://aclanthology.org/P02-1040; computed by sacreBLEU.
    """
    import numpy as np

    predictions, references = read_pairs(predictions, references)
    name = resolve_tokenizer(tokenizer)
    metric = _bleu(name, lowercase)
    # per row: prediction and reference length, matched and possible n-grams of orders 1 to 4
    table = np.empty((len(predictions), 2 + 2 * _ORDERS))
    for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        counted = metric.sentence_score(prediction, [reference])
        table[row] = [counted.sys_len, counted.ref_len, *counted.counts, *counted.totals]
    signature = f"{metric.get_signature()}|norm:nfc"
    if name == "mecab":
        signature = f"{signature}|{dictionary_signature()}"
    statistics = Statistics(table, bleu_of_sums)
    scores = {"bleu": Score("bleu", statistics.value(), signature, bleu_of_sums(table), statistics)}
    for order in range(1, _ORDERS + 1):
        if precisions or (unigram_precision and order == 1):
            key = f"bleu{order}_precision"
            matched, possible = table[:, 1 + order], table[:, 1 + _ORDERS + order]
            scores[key] = ratio_score(key, matched, possible, f"bp:none|{signature}")
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

    Source: Popović 2015, https://aclanthology.org/W15-3049; computed by sacreBLEU.
    """
    import numpy as np
    from sacrebleu.metrics import CHRF

    predictions, references = read_pairs(predictions, references)
    metric = CHRF(char_order=char_order, word_order=word_order, beta=beta, lowercase=lowercase)
    # per row and order: n-grams of the prediction, of the reference, matched ones. Row by row, because a
    # corpus_score keeps the n-grams of all references at once
    table = np.empty((len(predictions), 3 * (char_order + word_order)))
    for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        (table[row],) = metric._extract_corpus_statistics([prediction], [[reference]])
    signature = f"{metric.get_signature()}|beta:{beta}|norm:nfc"
    of_sums = functools.partial(chrf_of_sums, beta=beta)
    statistics = Statistics(table, of_sums)
    return {"chrf": Score("chrf", statistics.value(), signature, of_sums(table), statistics)}


def bleu_of_sums(sums: "np.ndarray") -> "np.ndarray":
    """BLEU with exponential smoothing and effective order, as sacreBLEU's `BLEU.compute_bleu`.

    Args:
        sums: [..., 10]: prediction length, reference length, matched n-grams of orders 1 to 4, possible ones.

    Returns:
        [...], 0 to 100.
    """
    import numpy as np

    found, expected = sums[..., 0], sums[..., 1]
    matched, possible = sums[..., 2 : 2 + _ORDERS], sums[..., 2 + _ORDERS :]
    # an order without n-grams ends the list
    present = np.logical_and.accumulate(possible > 0, axis=-1)
    unmatched = present & (matched == 0)
    # the first order without a match counts 1/2 match, the second 1/4, ...
    smoothed = np.where(unmatched, 0.5 ** np.cumsum(unmatched, axis=-1), matched)
    precision = np.divide(smoothed, possible, out=np.ones_like(smoothed), where=present)
    orders = np.maximum(present.sum(axis=-1), 1)
    mean = np.exp(np.log(precision).sum(axis=-1) / orders)
    ratio = np.divide(expected, found, out=np.ones_like(found), where=found > 0)
    brevity = np.where(found > 0, np.exp(np.minimum(1 - ratio, 0)), found >= expected)
    any_match = matched.any(axis=-1) & present[..., 0]
    return np.where(any_match, np.minimum(100 * brevity * mean, 100), 0.0)


def chrf_of_sums(sums: "np.ndarray", beta: int) -> "np.ndarray":
    """chrF without epsilon smoothing, as sacreBLEU's `CHRF` computes it.

    Args:
        sums: [..., 3 * orders]: for each order the n-grams of the prediction, of the reference, and matched ones.
        beta: How many times recall counts against precision.

    Returns:
        [...], 0 to 100.
    """
    import numpy as np

    found, expected, matched = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    both = (found > 0) & (expected > 0)
    orders = np.maximum(both.sum(axis=-1), 1)
    zeros = np.zeros_like(matched)
    precision = np.divide(matched, found, out=zeros.copy(), where=both).sum(axis=-1) / orders
    recall = np.divide(matched, expected, out=zeros, where=both).sum(axis=-1) / orders
    below = beta**2 * precision + recall
    above = (1 + beta**2) * precision * recall
    return np.minimum(100 * np.divide(above, below, out=np.zeros_like(below), where=below > 0), 100)


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
