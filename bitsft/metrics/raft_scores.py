"""RAFT answers: is the final answer right, and is what they quote in the documents?

An answer is `##Reason: ... ##begin_quote## ... ##end_quote## ... ##Answer: x` (arXiv 2403.10131, Figure 3) or
ends in gorilla's `<ANSWER>: x`; `bitsft.data.raft_notation` reads both.

| score | over | value of a row |
|---|---|---|
| `raft_answer_correct` | all rows | the final answer equals the reference in KorQuAD's normalization |
| `raft_answer_f1` | all rows | F1 of the characters of the two, as KorQuAD has it |
| `raft_answer_found` | all rows | the reference stands in the final answer; in the whole text where no marker is |
| `raft_marked` | all rows | there is a final answer: a marker with something behind it |
| `raft_quoted` | all rows | there is a quote |
| `raft_quotes_verbatim` | rows with a quote and a known oracle | every quote stands in the oracle |
| `raft_distractor_quoted` (lower is better) | the same | a quote stands in another document and not in the oracle |
| `raft_quote_nowhere` (lower is better) | rows with a quote | a quote stands in none of the documents: invented |

The first two are strict: 0 without a marker, and "서울입니다" is not "서울" (F1 0.57). `raft_answer_found` forgives
a sentence around the answer and particles, by the rule of `bitsft.data.common.answers` (a number must end where the
reference's does, a single syllable must be a word); it also finds 서울 in 동서울, and in a text without a marker it
finds what was merely quoted. A reference that is a verdict (예, 아니오, true) is never looked for inside a text:
there it is the same as `raft_answer_correct`. Report the two side by side.

A quote is verbatim to the letter, but for white space and Unicode's NFC or NFD (`raft_builder.quotes`). An empty
quote is in no document. A mark without its partner makes no quote. Where the row does not say its oracle, only
`raft_quote_nowhere` judges the quotes; such rows, and rows without a quote, are NaN in the scores that leave them
out, and a score over no rows at all is 0: read the last three beside `raft_quoted`. The oracle counts as a document
for `raft_quote_nowhere` even where the row's context lacks it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bitsft.data.common.answers import Answers
from bitsft.data.raft_notation import raft_final_answer
from bitsft.metrics.korquad import char_f1, exact_match
from bitsft.metrics.pairs import read_pairs
from bitsft.metrics.score import Goal, Score, ratio_score

if TYPE_CHECKING:
    from bitsft.data.check.raft import RaftRow

_NORM = "norm:nfc+korquad-1.0"
_SIGNATURES = {
    "raft_answer_correct": f"answer:equal|unmarked:0|{_NORM}",
    "raft_answer_f1": f"answer:char-f1|unmarked:0|{_NORM}",
    "raft_answer_found": "answer:within|unmarked:whole|norm:nfc+casefold",
    "raft_marked": "answer:marked",
    "raft_quoted": "quotes:any|rows:all",
    "raft_quotes_verbatim": "quotes:all-in-oracle|rows:quoted+oracle|norm:nfc+nospace",
    "raft_distractor_quoted": "quotes:any-in-distractor-only|rows:quoted+oracle|norm:nfc+nospace",
    "raft_quote_nowhere": "quotes:any-nowhere|rows:quoted|norm:nfc+nospace",
}
_LOWER = ("raft_distractor_quoted", "raft_quote_nowhere")


def raft_scores(predictions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Score]:
    """Score the answers to RAFT rows.

    Args:
        predictions: n generated texts.
        rows: n rows with `question`, `context`, `answer` (or gorilla's `cot_answer`) and, where it is known,
            `oracle_context`, in one of the shapes that `RaftRow.from_raw` reads.

    Returns:
        The scores of this module's table, 0 to 1.

    Raises:
        ValueError: When the lists are empty or differ in length, or a row cannot be read (a `RowError`
            with its number).

    Example:
        >>> row = {"question": "수도는?", "context": ["수도는 서울이다.", "부산은 항구다."], "answer": "서울",
        ...        "oracle_context": "수도는 서울이다."}
        >>> text = "##Reason: ##begin_quote##부산은 항구다.##end_quote## ##Answer: 서울"
        >>> scores = raft_scores([text], [row])
        >>> scores["raft_answer_correct"].value, scores["raft_distractor_quoted"].value
        (1.0, 1.0)
    """
    from bitsft.data.check.raft import RaftRow  # brings pydantic

    read = [RaftRow.from_raw(row, number) for number, row in enumerate(rows)]
    texts, references = read_pairs(predictions, [row.answer for row in read])
    answers = [raft_final_answer(text) or "" for text in texts]
    values: dict[str, list[float | None]] = {
        "raft_answer_correct": _rows_of(exact_match(answers, references)["exact_match"]),
        "raft_answer_f1": _rows_of(char_f1(answers, references)["char_f1"]),
        "raft_marked": [float(answer != "") for answer in answers],
    }
    values["raft_answer_found"] = [
        float(bool(correct) or Answers([reference]).within(answer or text))
        for correct, reference, answer, text in zip(
            values["raft_answer_correct"], references, answers, texts, strict=True
        )
    ]
    quotes = [_quotes(text, row) for text, row in zip(texts, read, strict=True)]
    for name in (
        "raft_quoted",
        "raft_quotes_verbatim",
        "raft_distractor_quoted",
        "raft_quote_nowhere",
    ):
        values[name] = [one.get(name) for one in quotes]
    return {name: _score(name, values[name]) for name in _SIGNATURES}


def _quotes(text: str, row: "RaftRow") -> dict[str, float]:
    """What the quotes of one answer say; without the scores that leave the row out."""
    from bitsft.data.raft_builder.quotes import quotes_not_in, quotes_of

    if not quotes_of(text):
        return {"raft_quoted": 0.0}
    documents = [*row.documents, *([row.oracle] if row.oracle else [])]
    nowhere = quotes_not_in(text, documents)
    found = {"raft_quoted": 1.0, "raft_quote_nowhere": float(bool(nowhere))}
    if row.oracle:
        not_in_oracle = quotes_not_in(text, [row.oracle])
        found["raft_quotes_verbatim"] = float(not not_in_oracle)
        # both lists keep repetitions, so what is in no document is taken off as often as it was counted
        found["raft_distractor_quoted"] = float(len(not_in_oracle) > len(nowhere))
    return found


def _score(name: str, values: Sequence[float | None]) -> Score:
    import numpy as np

    goal: Goal = "lower" if name in _LOWER else "higher"
    above = [value or 0.0 for value in values]
    below = [0.0 if value is None else 1.0 for value in values]
    score = ratio_score(name, above, below, _SIGNATURES[name], goal=goal)
    rows = np.array([np.nan if value is None else value for value in values])
    return Score(name, score.value, score.signature, rows, score.statistics, goal)


def _rows_of(score: Score) -> list[float | None]:
    import numpy as np

    return [float(value) for value in np.asarray(score.rows)]
