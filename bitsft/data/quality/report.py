"""`QualityReport`: the quality of a whole data set, and its worst rows for a review.

    report = QualityReport()
    rows = list(quality_records(rows, ledger=ledger, report=report))
    print(report)
    report.write_review("review.jsonl")

Rows are added one by one and only the worst are kept, so memory does not grow with their number. The
worst row is the one with the lowest of its scores (`RowScores.lowest`); rows with equal scores stay in
the order in which they came.

The review file (`review_file.py`) has one row a line, worst first, as JSONL or, by its name, CSV:

    {"source", "row_number", "task", "lowest", "groundedness", "question_context", "question_answer",
     "missing", "question", "answer", "documents"}
"""

import heapq
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.common.review_file import check_review_path, write_review
from bitsft.data.quality.groundedness import SIGNATURE as GROUNDEDNESS
from bitsft.data.quality.language import LanguageReport
from bitsft.data.quality.relevance import SIGNATURE as RELEVANCE
from bitsft.data.quality.row_scores import SCORES, RowScores, RowTexts
from bitsft.data.records import Record

BINS = 10
SIGNATURES = {
    "groundedness": GROUNDEDNESS,
    "question_context": RELEVANCE,
    "question_answer": RELEVANCE,
}


@dataclass
class ScoreSummary:
    """One score over all rows.

    Attributes:
        rows: Rows that were judged.
        total: The sum of their values.
        bins: Rows by value: `bins[i]` from i/10 on, the last with 1.0.
        not_judged: Rows without a value, by reason.
    """

    rows: int = 0
    total: float = 0.0
    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    not_judged: Counter[str] = field(default_factory=Counter)

    @property
    def mean(self) -> float | None:
        """The mean; None when no row was judged."""
        return self.total / self.rows if self.rows else None

    def add(self, value: float | None, reason: str = "") -> None:
        """Count one row."""
        if value is None:
            self.not_judged[reason] += 1
            return
        self.rows += 1
        self.total += value
        self.bins[min(max(int(value * BINS), 0), BINS - 1)] += 1

    def as_dict(self) -> dict[str, Any]:
        """The numbers, for a report."""
        return {
            "rows": self.rows,
            "mean": self.mean,
            "histogram": {"edges": [i / BINS for i in range(BINS + 1)], "counts": list(self.bins)},
            "not_judged": dict(sorted(self.not_judged.items())),
        }


@dataclass
class _Kept:
    """A row among the worst; the heap's first is the best of them, which goes first."""

    lowest: float
    order: int
    record: Record
    scores: RowScores
    similarity: dict[str, float]

    def __lt__(self, other: "_Kept") -> bool:
        return (-self.lowest, -self.order) < (-other.lowest, -other.order)


class QualityReport:
    """Sums up the scores of rows as they pass.

    Args:
        worst: How many rows to keep for the review.

    Attributes:
        rows: Rows seen.
        scores: A `ScoreSummary` for each score, by name; with an embedder also
            `"similarity_question_context"` and `"similarity_question_answer"`.
        signatures: The signature of each score.
        tasks: Rows by task.
        languages: The scripts of the texts.
    """

    def __init__(self, *, worst: int = 100) -> None:
        if worst < 0:
            raise ValueError(f"worst={worst} must be 0 or more rows")
        self.worst = worst
        self.rows = 0
        self.scores: dict[str, ScoreSummary] = {name: ScoreSummary() for name in SCORES}
        self.signatures: dict[str, str] = dict(SIGNATURES)
        self.tasks: Counter[str] = Counter()
        self.languages = LanguageReport()
        self._heap: list[_Kept] = []

    def add(
        self, record: Record, scores: RowScores, similarity: dict[str, float] | None = None
    ) -> None:
        """Count a row.

        Args:
            record: The row.
            scores: Its scores, from `score_row`.
            similarity: Values of a second opinion by their names.
        """
        similarity = similarity or {}
        for name in SCORES:
            self.scores[name].add(scores.value(name), scores.not_judged.get(name, ""))
        for name, value in similarity.items():
            self.scores.setdefault(name, ScoreSummary()).add(value)
        self.tasks[record.values["task"]] += 1
        self.languages.add(scores.letters)
        lowest = scores.lowest
        if lowest is not None and self.worst:
            kept = _Kept(lowest, self.rows, record, scores, similarity)
            if len(self._heap) < self.worst:
                heapq.heappush(self._heap, kept)
            elif self._heap[0] < kept:
                heapq.heapreplace(self._heap, kept)
        self.rows += 1

    def worst_rows(self) -> list[dict[str, Any]]:
        """Return the rows for the review, worst first, as they are written to the file."""
        return [_shown(kept) for kept in sorted(self._heap, reverse=True)]

    def write_review(self, path: str | os.PathLike[str]) -> None:
        """Write the worst rows to a file, which replaces an older one.

        Args:
            path: A file whose name ends in .jsonl or .csv.

        Raises:
            ValueError: For another ending.
        """
        write_review(check_review_path(path), self.worst_rows())

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for a manifest or a report."""
        return {
            "rows": self.rows,
            "tasks": dict(sorted(self.tasks.items())),
            "scores": {
                name: {"signature": self.signatures.get(name, ""), **summary.as_dict()}
                for name, summary in self.scores.items()
            },
            "languages": self.languages.as_dict(),
        }

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows"]
        for name, score in self.scores.items():
            mean = score.mean
            if mean is None:
                shown = "no row judged"
            else:
                low = sum(score.bins[: BINS // 2])
                shown = f"mean {mean:.3f} of {score.rows:,} rows, {low:,} below 0.5"
            reasons = ", ".join(f"{r}: {n:,}" for r, n in sorted(score.not_judged.items()))
            lines.append(f"{name}: {shown}" + (f"; not judged: {reasons}" if reasons else ""))
        lines.append(f"languages: {self.languages}")
        return "\n".join(lines)


def _shown(kept: _Kept) -> dict[str, Any]:
    texts = RowTexts.of(kept.record.values)
    scores = {name: _rounded(kept.scores.value(name)) for name in SCORES}
    return {
        "source": kept.record.source,
        "row_number": kept.record.number,
        "task": kept.record.values["task"],
        "lowest": _rounded(kept.lowest),
        **scores,
        **{name: _rounded(value) for name, value in kept.similarity.items()},
        "missing": list(kept.scores.missing),
        "question": texts.question,
        "answer": "\n".join(texts.answers),
        "documents": list(texts.documents),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
