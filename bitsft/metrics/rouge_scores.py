"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004, https://aclanthology.org/W04-1013), right for Korean.

With overlap = the tokens (or n-grams, or longest common subsequence) that both texts share:

    recall = overlap / size of the reference,  precision = overlap / size of the prediction,
    F = 2 * precision * recall / (precision + recall);  the corpus value is the mean over rows.

The counting is rouge-score's (Google's re-implementation); only the tokenizer is ours, because its
own drops every Hangul character. One rule is added: two equal texts score 1 at every order, where
rouge-score gives a text of one token 0 for having no bigram. A blank prediction scores 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from bitsft.metrics.pairs import read_pairs, same_text
from bitsft.metrics.score import Score
from bitsft.metrics.tokenizers import resolve_tokenizer, splitter, tokenizer_signature

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")
MEASURES = ("f", "recall", "precision")


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
    rouge_types: Sequence[str] = ROUGE_TYPES,
    measures: Sequence[str] = ("f",),
    lowercase: bool = True,
) -> dict[str, Score]:
    """ROUGE of n predictions against one reference each, 0 to 1.

    Args:
        predictions: n texts.
        references: n texts.
        tokenizer: `"auto"` (Korean morphemes with the extra `ko`, else characters), `"mecab"`,
            `"char"` or `"word"`.
        rouge_types: Any of `"rouge1"`, `"rouge2"`, `"rougeL"`.
        measures: Any of `"f"` (named `rouge1`), `"recall"` (`rouge1_recall`) and `"precision"`
            (`rouge1_precision`).
        lowercase: Compare in lower case, as ROUGE does for English; Hangul has no case.

    Returns:
        One score per type and measure, keyed by the name that gets logged.

    Raises:
        ValueError: When the lists are empty or differ in length, or a setting is unknown.
        ImportError: When `"mecab"` is asked for and the extra `ko` is not installed.

    Example:
        >>> scores = rouge(["the cat sat"], ["the cat is on the mat"], measures=("recall",))
        >>> scores["rouge1_recall"].value
        0.3333333333333333
    """
    from rouge_score.rouge_scorer import RougeScorer

    predictions, references = read_pairs(predictions, references)
    _check_choices("rouge_types", rouge_types, ROUGE_TYPES)
    _check_choices("measures", measures, MEASURES)
    if lowercase:
        predictions = [text.lower() for text in predictions]
        references = [text.lower() for text in references]
    name = resolve_tokenizer(tokenizer)
    scorer = RougeScorer(list(rouge_types), tokenizer=_Tokenizer(splitter(name)))

    totals = {(kind, measure): 0.0 for kind in rouge_types for measure in measures}
    for prediction, reference in zip(predictions, references, strict=True):
        if same_text(prediction, reference):
            totals = {key: total + 1.0 for key, total in totals.items()}
            continue
        row = scorer.score(target=reference, prediction=prediction)
        for kind, measure in totals:
            totals[kind, measure] += float(_measure(row[kind], measure))

    settings = (
        f"nrefs:1|case:{'lc' if lowercase else 'mixed'}|{tokenizer_signature(name)}|norm:nfc"
        f"|agg:mean|equal:1|version:rouge-score-{version('rouge-score')}"
    )
    scores = {}
    for (kind, measure), total in totals.items():
        key = kind if measure == "f" else f"{kind}_{measure}"
        value = total / len(predictions)
        scores[key] = Score(key, value, f"measure:{measure}|{settings}")
    return scores


def _measure(row: tuple[float, float, float], measure: str) -> float:
    precision, recall, f_measure = row  # the order of rouge_score.scoring.Score
    return {"precision": precision, "recall": recall, "f": f_measure}[measure]


def _check_choices(setting: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(chosen, str):
        raise ValueError(f"{setting}={chosen!r} is one string: write {setting}=({chosen!r},)")
    unknown = [item for item in chosen if item not in known]
    if unknown or not chosen:
        raise ValueError(f"{setting}={tuple(chosen)} : choose from {', '.join(known)}")
