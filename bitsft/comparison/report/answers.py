"""The section of answers: both models' answers to a row side by side, what differs from the reference marked.

The page must stay usable, so long texts are cut: all to one length, the largest of `_LIMITS` with which the
section stays below about six million bytes. The page says to which.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.paired_rows import Pair
from bitsft.comparison.report import formats
from bitsft.comparison.report.choice import Choice
from bitsft.comparison.report.marks import MarkedAnswer, marked_answer
from bitsft.comparison.words import is_detail, metric_title, shown, shown_change
from bitsft.data.tasks import TASKS, texts_of
from bitsft.evaluation.answers import Answer
from bitsft.metrics.classification import most_likely
from bitsft.pages.blocks import Note, Section
from bitsft.pages.numbers import number
from bitsft.pages.visible import cut, syllable_start

_LIMITS = (2000, 1000, 500, 250, 120)
_MOST_BYTES = 6_000_000
_MARKUP = 2000  # bytes of a row besides its texts
_QUESTION = 240
_MOST_DOCUMENTS = 20


@dataclass(frozen=True)
class Side:
    """One model's answer."""

    model: str
    answer: MarkedAnswer
    score: str
    is_finished: bool
    likely: str


@dataclass(frozen=True)
class Document:
    """A text that stood in the prompt."""

    text: str
    is_oracle: bool


@dataclass(frozen=True)
class Row:
    """A row with both answers; `gain` is None where its metric says nothing of it."""

    number: int
    id: str
    task: str
    metric: str
    gain: float | None
    gain_text: str
    change: str
    is_regression: bool
    question: str
    sides: tuple[Side, Side]
    reference: str
    prompt: tuple[tuple[str, str], ...]
    documents: tuple[Document, ...]
    scores: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Answers:
    """Rows with what is needed to choose among them; `report.html` draws them."""

    rows: tuple[Row, ...]
    tasks: tuple[str, ...]
    models: tuple[str, str]
    kind: ClassVar[str] = "answers"


def answers_section(
    comparison: Comparison,
    models: tuple[str, str],
    choice: Choice,
    seed: int,
    text: dict[str, str],
) -> Section:
    """The chosen rows, and which they are."""
    pairs = [comparison.rows[place] for place in choice.places]
    limit = _limit(pairs)
    total = number(len(comparison.rows))
    if len(pairs) == len(comparison.rows):
        which = text["rows_all"].format(rows=total)
    else:
        which = text["rows_some"].format(
            shown=number(len(pairs)),
            rows=total,
            changed=number(choice.changed),
            regressions=number(choice.regressions),
            all_regressions=number(choice.all_regressions),
            drawn=number(choice.drawn),
            seed=seed,
        )
    if any(len(one) > limit for pair in pairs for one in _texts(pair)):
        which += " " + text["texts_cut"].format(limit=number(limit))
    rows = tuple(
        _row(comparison, place, models, place in choice.regressed, limit, text)
        for place in choice.places
    )
    tasks = tuple(dict.fromkeys(row.task for row in rows))
    return Section("answers", text["answers"], [Note(which), Answers(rows, tasks, models)])


def question_of(answer: Answer) -> str:
    """What was asked, without the template around it where the row's columns say so."""
    task = TASKS.get(answer.task or "")
    if task is not None:
        texts = [text for name in task.question for text in texts_of(answer.source.get(name))]
        if texts:
            return "\n".join(texts)
    return _messages(answer)[-1][1]


def _row(
    comparison: Comparison,
    place: int,
    models: tuple[str, str],
    is_regression: bool,
    limit: int,
    text: dict[str, str],
) -> Row:
    pair = comparison.rows[place]
    changes = formats.changes_of_row(comparison, place)
    scored = None if changes is None else pair.scores.get(changes.metric)
    gain = None
    metric = ""
    if changes is not None and scored is not None:
        metric = metric_title(changes.metric)
        goal = comparison.base.scores[changes.task][changes.metric].goal
        gain = formats.gain_of(*scored, goal)
    sides = [
        Side(
            model=model,
            answer=marked_answer(_cut(one.prediction, limit, text), cut(one.reference, limit)),
            score="" if scored is None else shown(scored[number_of_side], *scored),
            is_finished=one.finished,
            likely=most_likely([one.likelihoods])[0] if one.likelihoods else "",
        )
        for number_of_side, (model, one) in enumerate(
            zip(models, (pair.base, pair.tuned), strict=True)
        )
    ]
    question = question_of(pair.base)
    return Row(
        number=pair.row,
        id=pair.base.id or "",
        task=pair.base.task or "",
        metric=metric,
        gain=gain,
        gain_text=text["not scored"] if gain is None else shown_change(gain, *(scored or ())),
        change=formats.direction(gain),
        is_regression=is_regression,
        question=cut(" ".join(question.split()), min(_QUESTION, limit)),
        sides=(sides[0], sides[1]),
        reference=_cut(pair.base.reference, limit, text),
        prompt=tuple((role, _cut(content, limit, text)) for role, content in _messages(pair.base)),
        documents=tuple(_documents(pair.base, limit, text)),
        scores=tuple(_scores(pair)),
    )


def _scores(pair: Pair) -> Iterator[tuple[str, str, str, str]]:
    """Each main metric of the row: its name, both values, and their difference."""
    for name, (base, tuned) in pair.scores.items():
        if is_detail(name):
            continue
        yield (
            metric_title(name),
            shown(base, tuned),
            shown(tuned, base),
            shown_change(tuned - base, base, tuned),
        )


def _documents(answer: Answer, limit: int, text: dict[str, str]) -> Iterator[Document]:
    documents = list(texts_of(answer.source.get("context")))
    oracle = answer.source.get("oracle_context")
    for one in documents[:_MOST_DOCUMENTS]:
        yield Document(_cut(one, limit, text), len(documents) > 1 and one == oracle)
    if len(documents) > _MOST_DOCUMENTS:
        more = text["others"].format(count=number(len(documents) - _MOST_DOCUMENTS))
        yield Document(more, False)


def _messages(answer: Answer) -> list[tuple[str, str]]:
    """The prompt as `(role, text)`; a prompt that is a text has no role."""
    if isinstance(answer.prompt, str):
        return [("", answer.prompt)]
    return [_message(message) for message in answer.prompt] or [("", "")]


def _message(message: Mapping[str, Any]) -> tuple[str, str]:
    return str(message.get("role", "")), "\n".join(texts_of(message.get("content")))


def _texts(pair: Pair) -> Iterator[str]:
    """Every text of a row that the page holds."""
    yield from (content for _, content in _messages(pair.base))
    yield from islice(texts_of(pair.base.source.get("context")), _MOST_DOCUMENTS)
    yield from (pair.base.reference, pair.base.prediction, pair.tuned.prediction)


def _limit(pairs: Sequence[Pair]) -> int:
    """The most characters of a text with which all rows together are not too large."""
    sizes: list[int] = []
    for pair in pairs:
        # What an answer lacks is written into it: the reference stands there up to three times.
        texts = [*_texts(pair), pair.base.reference, pair.base.reference]
        sizes += [len(one) for one in texts]
    room = _MOST_BYTES - _MARKUP * len(pairs)
    for limit in _LIMITS:
        if sum(min(size, limit) for size in sizes) * 3 <= room:  # three bytes a syllable
            return limit
    return _LIMITS[-1]


def _cut(text: str, limit: int, words: Mapping[str, str]) -> str:
    """A long text without its middle: how it begins and how it ends matters most."""
    if len(text) <= limit:
        return text
    start, stop = syllable_start(text, limit * 2 // 3), syllable_start(text, len(text) - limit // 3)
    left_out = words["left_out_characters"].format(count=number(stop - start))
    return f"{text[:start]}\n{left_out}\n{text[stop:]}"
