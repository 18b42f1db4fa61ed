"""ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum (Lin 2004, https://aclanthology.org/W04-1013), right for Korean.

With overlap = the tokens (or n-grams, or longest common subsequence) that both texts share:

    recall = overlap / size of the reference,  precision = overlap / size of the prediction,
    F = 2 * precision * recall / (precision + recall);  the corpus value is the mean over rows.

ROUGE-L takes each text as one sequence. ROUGE-Lsum takes it sentence by sentence (the union of a reference
sentence's common subsequences with all prediction sentences), so it forgives sentences in another order;
of texts of one sentence both are the same.

The n-grams are counted by rouge-score (Google's re-implementation), the subsequences by `lcs.py`, whose
lengths are rouge-score's; only the tokenizer is ours, because rouge-score's own drops every Hangul character. One
rule is added: two equal texts score 1 at every order, where rouge-score gives a text of one token 0 for
having no bigram. A blank prediction scores 0.
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from bitsft.metrics.lcs import lcs_length, union_hits
from bitsft.metrics.pairs import read_pairs, same_text
from bitsft.metrics.score import Score, mean_score
from bitsft.metrics.tokenizers import resolve_tokenizer, splitter, tokenizer_signature

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
MEASURES = ("f", "recall", "precision")
SENTENCES = ("lines", "punctuation")
# A space after a full stop, question or exclamation mark, or after the quote or bracket that closes behind one.
_SENTENCE_END = re.compile(r"\n|(?:(?<=[.!?…。！？])|(?<=[.!?…。！？][\"'”’)\]]))\s+")


@dataclass(frozen=True)
class _Tokenizer:
    """What `RougeScorer(tokenizer=...)` asks for: an object with `tokenize`."""

    split: Callable[[str], list[str]]

    def tokenize(self, text: str) -> list[str]:
        return self.split(text)


def rouge(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: str = "auto",
    rouge_types: Sequence[str] = ("rouge1", "rouge2", "rougeL"),
    measures: Sequence[str] = ("f",),
    lowercase: bool = True,
    sentences: str = "lines",
) -> dict[str, Score]:
    """ROUGE of n predictions against one reference each, 0 to 1.

    Args:
        predictions: n texts.
        references: n texts.
        tokenizer: `"auto"` (Korean morphemes with the extra `ko`, else characters), `"mecab"`,
            `"char"` or `"word"`.
        rouge_types: Any of `"rouge1"`, `"rouge2"`, `"rougeL"`, `"rougeLsum"`.
        measures: Any of `"f"` (named `rouge1`), `"recall"` (`rouge1_recall`) and `"precision"`
            (`rouge1_precision`).
        lowercase: Compare in lower case, as ROUGE does for English; Hangul has no case.
        sentences: What ROUGE-Lsum takes for a sentence: `"lines"` (as rouge-score does), or
            `"punctuation"`: lines, cut again at spaces that follow `.`, `!`, `?` or `…` (also inside
            "3. 항목" or "Dr. Kim").

    Returns:
        One score per type and measure, keyed by the name that gets logged.

    Raises:
        ValueError: When the lists are empty or differ in length, or a setting is unknown.
        ImportError: When `"mecab"` is asked for and the extra `ko` is not installed.

    Example:
        >>> scores = rouge(["the cat sat"], ["the cat is on the mat"], measures=("recall",))
        >>> scores["rouge1_recall"].value
        0.3333333333333333

    Source: Lin 2004, https://aclanthology.org/W04-1013; n-grams counted by rouge-score.
    """
    import numpy as np
    from rouge_score.rouge_scorer import RougeScorer

    predictions, references = read_pairs(predictions, references)
    _check_choices("rouge_types", rouge_types, ROUGE_TYPES)
    _check_choices("measures", measures, MEASURES)
    _check_choices("sentences", (sentences,), SENTENCES)
    if lowercase:
        predictions = [text.lower() for text in predictions]
        references = [text.lower() for text in references]
    name = resolve_tokenizer(tokenizer)
    # a row's two texts are asked for once per type
    split = functools.lru_cache(maxsize=2)(splitter(name))
    ngram_types = [kind for kind in rouge_types if not kind.startswith("rougeL")]
    scorer = RougeScorer(ngram_types, tokenizer=_Tokenizer(split))

    table = np.ones((len(predictions), len(rouge_types), len(MEASURES)))
    for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        if same_text(prediction, reference):
            continue
        counted = scorer.score(target=reference, prediction=prediction) if ngram_types else {}
        if "rougeL" in rouge_types:
            counted["rougeL"] = _rouge_l(split(prediction), split(reference))
        if "rougeLsum" in rouge_types:
            counted["rougeLsum"] = _rouge_lsum(prediction, reference, split, sentences)
        for column, kind in enumerate(rouge_types):
            precision, recall, f = counted[kind]  # the order of rouge_score.scoring.Score
            table[row, column] = f, recall, precision

    settings = (
        f"nrefs:1|case:{'lc' if lowercase else 'mixed'}|{tokenizer_signature(name)}|norm:nfc"
        f"|agg:mean|equal:1|version:rouge-score-{version('rouge-score')}"
    )
    scores = {}
    for column, kind in enumerate(rouge_types):
        cut = f"sent:{sentences}|" if kind == "rougeLsum" else ""
        for measure in measures:
            key = kind if measure == "f" else f"{kind}_{measure}"
            rows = table[:, column, MEASURES.index(measure)].copy()
            scores[key] = mean_score(key, rows, f"measure:{measure}|{cut}{settings}")
    return scores


def _rouge_l(prediction: list[str], reference: list[str]) -> tuple[float, float, float]:
    return _shares(lcs_length(reference, prediction), len(prediction), len(reference))


def _rouge_lsum(
    prediction: str, reference: str, split: Callable[[str], list[str]], sentences: str
) -> tuple[float, float, float]:
    found = [split(sentence) for sentence in _sentences(prediction, sentences)]
    expected = [split(sentence) for sentence in _sentences(reference, sentences)]
    if len(found) == len(expected) == 1:
        return _rouge_l(found[0], expected[0])
    return _shares(union_hits(expected, found), sum(map(len, found)), sum(map(len, expected)))


def _sentences(text: str, sentences: str) -> list[str]:
    parts = text.split("\n") if sentences == "lines" else _SENTENCE_END.split(text)
    return [part for part in parts if part]


def _shares(overlap: int, found: int, expected: int) -> tuple[float, float, float]:
    """Precision, recall, F."""
    if overlap == 0:
        return 0.0, 0.0, 0.0
    precision, recall = overlap / found, overlap / expected
    return precision, recall, 2 * precision * recall / (precision + recall)


def _check_choices(setting: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(chosen, str):
        raise ValueError(f"{setting}={chosen!r} is one string: write {setting}=({chosen!r},)")
    unknown = [item for item in chosen if item not in known]
    if unknown or not chosen:
        raise ValueError(f"{setting}={tuple(chosen)} : choose from {', '.join(known)}")
