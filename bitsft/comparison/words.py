"""How metrics and numbers are written for people: names, signs, stars."""

import math
import re

_TITLES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "bleu": "BLEU",
    "chrf": "chrF",
    "meteor": "METEOR",
    "cosine": "Cosine similarity",
    "cosine_tfidf_jamo": "Cosine of jamo n-grams",
    "exact_match": "Exact match",
    "char_f1": "Character F1",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "weighted_f1": "Weighted F1",
    "no_label": "Answers without a label",
    "raft_answer_correct": "RAFT answer correct",
    "raft_answer_f1": "RAFT answer F1",
    "raft_answer_found": "RAFT answer found",
    "raft_marked": "RAFT answer marked",
    "raft_quoted": "RAFT with a quote",
    "raft_quotes_verbatim": "RAFT quotes verbatim",
    "raft_distractor_quoted": "RAFT distractor quoted",
    "raft_quote_nowhere": "RAFT quote invented",
    "answer_chars": "Answer length, characters",
    "answer_tokens": "Answer length, tokens",
    "length_ratio": "Length over reference's",
    "seq_rep_4": "Repeated 4-grams",
    "loops": "Answers that loop",
    "blank": "Blank answers",
    "finished": "Answers that end by themselves",
    "bits_per_byte": "Bits per byte",
    "perplexity": "Perplexity",
}
_STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))

# What is read when the main number surprises: precision or recall of a main metric, an n-gram order, a single class,
# the form of the answers.
_DETAIL = re.compile(
    r"rouge\w+_(precision|recall)|bleu\d_precision|.*\[.*\]|(likelihood_)?(macro_(precision|recall)|weighted_f1)"
    r"|answer_(chars|tokens)|length_ratio|seq_rep_\d|loops|blank|finished",
    re.DOTALL,
)
_OF_A_CLASS = re.compile(r"(precision|recall|f1)\[(.*)\]", re.DOTALL)


def part_title(key: str, rows: int) -> str:
    """The heading of a part of the rows."""
    if key == "held_out":
        return f"Held-out texts ({rows:,})"
    return f"{'All' if key == 'all' else key} ({rows:,} row{'' if rows == 1 else 's'})"


def metric_title(name: str) -> str:
    """A metric's name for people; the name itself where none is known.

    Example:
        >>> metric_title("rouge1"), metric_title("rouge1_recall"), metric_title("f1[긍정]")
        ('ROUGE-1', 'ROUGE-1 recall', 'F1 of 긍정')
    """
    if name in _TITLES:
        return _TITLES[name]
    if name.startswith("likelihood_"):
        return f"{metric_title(name.removeprefix('likelihood_'))} by likelihood"
    if of_a_class := _OF_A_CLASS.fullmatch(name):
        measure, label = of_a_class.groups()
        return f"{measure.capitalize()} of {label}"
    if order := re.fullmatch(r"bleu(\d)_precision", name):
        return f"BLEU {order[1]}-gram precision"
    for suffix in ("recall", "precision"):
        main = name.removesuffix(f"_{suffix}")
        if main != name and main in _TITLES:
            return f"{_TITLES[main]} {suffix}"
    return name


def is_detail(name: str) -> bool:
    """Whether a metric is a detail of another one, to be folded away."""
    return _DETAIL.fullmatch(name) is not None


def shown(value: float, *beside: float) -> str:
    """A value, with three decimals where it and those beside it are below 10, else with one (BLEU, lengths).

    Example:
        >>> shown(0.5416), shown(28.34), shown(5.96, 71.65)
        ('0.542', '28.3', '6.0')
    """
    if not math.isfinite(value):
        return str(value)
    return f"{value:.{_digits(value, *beside)}f}".replace("-", "−")


def shown_change(value: float, *of: float) -> str:
    """A difference with its sign, with as many decimals as the values it is the difference of."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:+.{_digits(*of)}f}"
    if float(text) == 0:
        text = text[1:]
    return text.replace("-", "−")


def _digits(*values: float) -> int:
    finite = [abs(one) for one in values if math.isfinite(one)]
    return 1 if max(finite, default=0.0) >= 9.9995 else 3


def percent(share: float | None) -> str:
    """A relative gain: +44.6 %; × 12 from ten times the base on; an em dash where there is none."""
    if share is not None and share >= 9:
        return f"× {share + 1:,.0f}"
    return "—" if share is None else f"{share:+.1%}".replace("%", " %").replace("-", "−")


def probability(p: float | None) -> str:
    """A p value with its stars: 0.012 *; an em dash where nothing was tested."""
    if p is None:
        return "—"
    stars = next((star for limit, star in _STARS if p < limit), "")
    text = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return f"{text} {stars}".rstrip()
