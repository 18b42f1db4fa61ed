"""How long the answers are, and whether they go round in circles.

| score | value | better |
|---|---|---|
| `answer_chars` | mean number of characters (code points of NFC), white space at the ends left out | neither |
| `answer_tokens` | mean number of tokens of the named tokenizer (`mecab`, `char`, `word`) | neither |
| `length_ratio` | characters of all answers / characters of all references | neither: 1 is as long |
| `seq_rep_4` | mean share of an answer's 4-grams of tokens that it has said before | lower |
| `loops` | share of the answers that end in a loop | lower |
| `blank` | share of the answers without anything but white space | lower |

`seq_rep_4` is seq-rep-n of Welleck et al. 2020 (arXiv 1908.04319, section 6.1), for n = 4:
1 - |different n-grams| / |n-grams|; an answer of fewer than four tokens repeats nothing and counts as 0. Good
Korean text has some of it too (the same endings and particles), so compare two models, not one with 0.

An answer ends in a loop when, without white space, its last 20 characters or more are one unit said three
times or more, the last one perhaps cut off: "서울입니다. 서울입니다. 서울입니다. 서울". Below 20 characters it is
taken for speech ("ㅋㅋㅋㅋㅋ", "네, 네, 네").

Whether an answer ended by itself is not a question of its text: see `Completion.finished`.
"""

import unicodedata
from collections.abc import Sequence

from bitsft.metrics.pairs import is_blank, read_pairs
from bitsft.metrics.score import Goal, Score, mean_score, ratio_score
from bitsft.metrics.tokenizers import resolve_tokenizer, splitter, tokenizer_signature

REPETITION_N = 4
LOOP_TIMES = 3
LOOP_CHARACTERS = 20


def answer_shape(
    predictions: Sequence[str], references: Sequence[str] | None = None, *, tokenizer: str = "auto"
) -> dict[str, Score]:
    """Measure length and repetition of generated texts.

    Args:
        predictions: n texts.
        references: n texts, for `length_ratio` only; None leaves it out.
        tokenizer: What tokens are: `"mecab"`, `"char"`, `"word"` or `"auto"`.

    Returns:
        The scores of this module's table.

    Raises:
        ValueError: When a list is empty, the two differ in length, or the tokenizer is unknown.
        ImportError: When `"mecab"` is asked for and the extra `ko` is not installed.

    Example:
        >>> scores = answer_shape(["서울입니다. " * 8], tokenizer="word")
        >>> {name: round(score.value, 3) for name, score in scores.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'answer_chars': 55.0, 'answer_tokens': 8.0, 'seq_rep_4': 0.8, 'loops': 1.0, 'blank': 0.0}
    """
    texts, expected = read_pairs(predictions, predictions if references is None else references)
    name = resolve_tokenizer(tokenizer)
    split = splitter(name)
    tokens = [split(text) for text in texts]
    cut = f"{tokenizer_signature(name)}|norm:nfc"
    lengths = [float(len(text.strip())) for text in texts]

    scores = [
        mean_score("answer_chars", lengths, "unit:char|norm:nfc", goal="none"),
        mean_score("answer_tokens", [float(len(one)) for one in tokens], cut, goal="none"),
    ]
    if references is not None:
        reference_lengths = [float(len(text.strip())) for text in expected]
        scores.append(
            ratio_score(
                "length_ratio", lengths, reference_lengths, "unit:char|norm:nfc", goal="none"
            )
        )
    lower: Goal = "lower"
    loop = f"times:{LOOP_TIMES}|span:{LOOP_CHARACTERS}|unit:char|norm:nfc+nospace"
    scores += [
        mean_score(
            f"seq_rep_{REPETITION_N}",
            [repeated_share(one) for one in tokens],
            f"n:{REPETITION_N}|{cut}",
            goal=lower,
        ),
        mean_score("loops", [float(ends_in_loop(text)) for text in texts], loop, goal=lower),
        mean_score("blank", [float(is_blank(text)) for text in texts], "norm:nfc", goal=lower),
    ]
    return {score.name: score for score in scores}


def repeated_share(tokens: Sequence[str], n: int = REPETITION_N) -> float:
    """Share of the n-grams that occurred before in the same text: 1 - different / all; 0 without any."""
    count = len(tokens) - n + 1
    if count < 1:
        return 0.0
    return 1 - len({tuple(tokens[start : start + n]) for start in range(count)}) / count


def ends_in_loop(text: str, *, times: int = LOOP_TIMES, characters: int = LOOP_CHARACTERS) -> bool:
    """Whether the text ends in one unit said over and over.

    Args:
        text: Any text; white space is left out.
        times: How often the unit must be said, at least.
        characters: How long all of them must be together, at least.
    """
    backwards = unicodedata.normalize("NFC", "".join(text.split()))[::-1]
    # The prefix function of Knuth, Morris and Pratt: border[i] is the length of the longest proper prefix of
    # backwards[:i + 1] that is its suffix too, so i + 1 - border[i] is the shortest unit it repeats.
    border = [0] * len(backwards)
    for end in range(1, len(backwards)):
        length = border[end - 1]
        while length and backwards[end] != backwards[length]:
            length = border[length - 1]
        border[end] = length + (backwards[end] == backwards[length])
        span = end + 1
        if span >= characters and times * (span - border[end]) <= span:
            return True
    return False
