"""`quality_records`: score every row on its way, and reject below a threshold where one is given.

By default the rows pass as they are, and a `QualityReport` is filled:

    report = QualityReport(worst=100)
    rows = quality_records(rows, ledger=ledger, report=report, min_groundedness=0.3)
    ...
    report.write_review("review.jsonl")      # after the last row

Thresholds reject under the stage "quality"; a row without the score passes. Look at the review file
before setting one: a low score is a reason to look, not a proof (`groundedness.py`, `relevance.py`).

Limits: the rows that a threshold rejects are in the report too, so that it shows what the data had.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bitsft.data.common.embeddings import Embed
from bitsft.data.ledger import Ledger
from bitsft.data.quality.language import shares
from bitsft.data.quality.relevance import embedding_similarity
from bitsft.data.quality.report import QualityReport
from bitsft.data.quality.row_scores import SCORES, RowScores, RowTexts, score_row
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import task_of

STAGE = "quality"
_BATCH = 64  # rows whose texts are embedded together

_REASONS = {
    "groundedness": "is not grounded enough in the documents",
    "question_context": "has too little to do with the documents",
    "question_answer": "has too little to do with the answer",
}
_HANGUL = "has too few Hangul letters"


def quality_records(
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    ledger: Ledger,
    report: QualityReport | None = None,
    min_groundedness: float | None = None,
    min_question_context: float | None = None,
    min_question_answer: float | None = None,
    min_hangul: float | None = None,
    embed: Embed | None = None,
    signature: str | None = None,
) -> Iterator[Record]:
    """Score rows, fill a report, and reject what lies below a threshold.

    Args:
        rows: Checked rows, with their task's name.
        ledger: Where rejected rows are accounted for.
        report: Filled as the rows pass; None when only the thresholds are wanted.
        min_groundedness: The least groundedness, from 0 to 1; None rejects none.
        min_question_context: The least share of the question's words in the documents.
        min_question_answer: The least share of the question's words in the answer.
        min_hangul: The least share of Hangul among the letters of a row.
        embed: A sentence embedder for a second opinion, which goes into the report: texts in, an array
            (n, d) out. A row's documents are embedded one by one, and the nearest counts.
        signature: The embedder's name, version and settings, e.g. `"jhgan/ko-sroberta-multitask@1.0"`.

    Yields:
        The rows that pass, unchanged.

    Raises:
        ValueError: For a threshold outside 0 to 1, an `embed` without its `signature` or without a
            `report`, a row without a task, or an embedder that returns something else.
    """
    thresholds = {
        "groundedness": min_groundedness,
        "question_context": min_question_context,
        "question_answer": min_question_answer,
        "hangul": min_hangul,
    }
    for name, least in thresholds.items():
        if least is not None and not 0 <= least <= 1:
            raise ValueError(f"min_{name}={least} must be from 0 to 1, or None")
    if embed is not None and (not signature or report is None):
        raise ValueError(
            "embed needs a report to write to, and signature= with the embedder's name, since its values "
            "mean nothing without it"
        )
    if report is not None and embed is not None:
        for name in ("similarity_question_context", "similarity_question_answer"):
            report.signatures[name] = f"{name}|method:cosine|embedder:{signature}|v:1"
    return _scored(as_records(rows, ledger), ledger, report, thresholds, embed)


def quality_report(
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    worst: int = 100,
    embed: Embed | None = None,
    signature: str | None = None,
) -> QualityReport:
    """Score checked rows and return the report, for rows that go nowhere else.

    Args:
        rows: Checked rows, with their task's name.
        worst: How many rows to keep for the review.
        embed: As in `quality_records`.
        signature: As in `quality_records`.

    Raises:
        ValueError: As in `quality_records`.
    """
    report = QualityReport(worst=worst)
    for _ in quality_records(
        rows, ledger=Ledger(), report=report, embed=embed, signature=signature
    ):
        pass
    return report


def _scored(
    records: Iterator[Record],
    ledger: Ledger,
    report: QualityReport | None,
    thresholds: Mapping[str, float | None],
    embed: Embed | None,
) -> Iterator[Record]:
    size = 1 if embed is None else _BATCH
    while batch := list(itertools.islice(records, size)):
        similarities = [{}] * len(batch) if embed is None else _similarities(batch, embed)
        for record, similarity in zip(batch, similarities, strict=True):
            scores = score_row(record.values)
            if report is not None:
                report.add(record, scores, similarity)
            if not _rejected(record, scores, ledger, thresholds):
                yield record


def _rejected(
    record: Record, scores: RowScores, ledger: Ledger, thresholds: Mapping[str, float | None]
) -> bool:
    task = task_of(record.values)
    for name in SCORES:
        least, value = thresholds[name], scores.value(name)
        if least is None or value is None or value >= least:
            continue
        columns = task.answer if name == "groundedness" else task.question
        ledger.reject(
            record,
            stage=STAGE,
            field=columns[0],
            value=round(value, 4),
            reason=_REASONS[name],
            remedy=f"Look at the row, or lower min_{name}",
            detail=f"{name} below {least}",
        )
        return True
    least = thresholds["hangul"]
    if least is not None and scores.letters:
        hangul = shares(scores.letters).get("hangul", 0.0)
        if hangul < least:
            ledger.reject(
                record,
                stage=STAGE,
                field=None,
                value=round(hangul, 4),
                reason=_HANGUL,
                remedy="Look at the row, or lower min_hangul",
                detail=f"share below {least}",
            )
            return True
    return False


def _similarities(batch: list[Record], embed: Embed) -> list[dict[str, float]]:
    """Return for each row the cosine of its question and its nearest document, and its nearest answer."""
    found: list[dict[str, float]] = [{} for _ in batch]
    pairs: list[tuple[int, str, str, str]] = []
    for row, record in enumerate(batch):
        task, texts = task_of(record.values), RowTexts.of(record.values)
        if not texts.question or task.label is not None or task.name == "translation":
            continue
        question = texts.question
        pairs += [(row, "similarity_question_context", question, d) for d in texts.documents]
        pairs += [(row, "similarity_question_answer", question, a) for a in texts.answers]
    values = embedding_similarity([p[2] for p in pairs], [p[3] for p in pairs], embed)
    for (row, name, _, _), value in zip(pairs, values, strict=True):
        found[row][name] = max(value, found[row].get(name, -1.0))
    return found
