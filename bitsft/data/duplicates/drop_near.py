"""`drop_near_duplicates`: of rows that are nearly the same, one stays.

Two passes: the rows are put aside in a temporary file (`spool.py`) while their texts are sketched; then the
clusters are decided, and the rows come out in their order. So nothing comes out before all has gone in,
and memory holds the sketches (`near.py`), not the rows.

A row is dropped only where a *kept* row is similar to it, with an exact Jaccard similarity of at least
`threshold` in each part that `by` names (`compared.py`): with `by="row"` in what is asked, in the document it
is asked about, and in the answer. Rows without any text to compare are kept.

Which row is kept: within a cluster the rows are gone through from the most to the least preferred
(`kept.py`), and the preference is `keep`:
- `"first"`: the row that came first;
- `"longest"`: the row with the most characters in all its values, then the first;
- `"most_complete"`: the row with the most columns filled, then the longest, then the first.

Why these defaults, by eye, on chat questions, voice commands with summaries and film reviews:
- threshold 0.85: what goes differs in spacing, punctuation, a repeated ㅋ, an ending. At 0.8, 2 of the 30
  commands that were not equal but for spacing said something else ("안 읽은 메일 …" / "읽은 메일 …", "이월에 …" /
  "십이월에 …"); at 0.7, chat questions go by the dozen for "여자친구" / "남자친구".
- by="row": with "question", rows go whose answers differ, at any threshold.
Short texts need no rule of their own: with end marks, one character more in a text of n different ones leaves
(n - 1)/(n + 2) at most, so below 18 characters nothing passes 0.85 but equal texts and repeats
within them ("ㅋㅋㅋㅋ" / "ㅋㅋㅋㅋㅋㅋㅋ").
MinHash misses at most 1 of 100 pairs right at the threshold, and fewer above it.

The review file (`review_path`) has the clusters for a person to judge, the least similar first, one row a
line: cluster (a number, 0 is the worst), similarity (to the kept row: the least of its parts; 1 for the
kept row), cosine (with a second opinion), kept, source, row_number, text (the parts that were compared, a
line each). The kept row of a cluster comes first. With a second opinion, rows that it refused to drop are
listed with their would-be cluster, kept.
"""

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bitsft.data.common.choices import check_choice
from bitsft.data.common.normal_form import normal_form
from bitsft.data.common.review_file import check_review_path, write_review
from bitsft.data.common.spool import Spool
from bitsft.data.duplicates.compared import By, check_by, compared_parts, written
from bitsft.data.duplicates.cosine import CosineOpinion
from bitsft.data.duplicates.kept import choose_kept
from bitsft.data.duplicates.near import NUM_PERM, THRESHOLD, near_duplicates, sketch_settings
from bitsft.data.duplicates.report import DuplicateReport
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record, as_records

NEARLY_REPEATS = "nearly repeats another row"
KEEP = ("first", "longest", "most_complete")
REVIEW_COLUMNS = ("cluster", "similarity", "cosine", "kept", "source", "row_number", "text")

_COLUMN = 1 << 40  # characters that one filled column outweighs


@dataclass(frozen=True)
class _Settings:
    by: By
    keep: str
    threshold: float
    num_perm: int
    ngram: int
    seed: int
    punctuation: bool
    processes: int
    opinion: CosineOpinion | None
    review_path: Path | None


@dataclass
class _Decisions:
    """For each dropped row the kept one and their similarity; likewise for refused ones."""

    kept_for: dict[int, int] = field(default_factory=dict)
    similarity: dict[int, float] = field(default_factory=dict)
    cosine: dict[int, float] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)


def drop_near_duplicates(
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    ledger: Ledger,
    by: By = "row",
    keep: str = "first",
    threshold: float = THRESHOLD,
    num_perm: int = NUM_PERM,
    ngram: int = 3,
    seed: int = 1,
    punctuation: bool = False,
    processes: int = 1,
    second_opinion: CosineOpinion | None = None,
    review_path: str | os.PathLike[str] | None = None,
    report: DuplicateReport | None = None,
) -> Iterator[Record]:
    """Yield the rows without those that a kept row nearly repeats, in their order.

    Args:
        rows: Records, or plain rows. With `by="question"` they must have passed `check_records`.
        ledger: Where the dropped rows are written down, each with the row that stays in its place.
        by: What has to be similar, each part by itself: `"row"`, `"question"`, or a list of columns.
        keep: Which row of a cluster is preferred: `"first"`, `"longest"` or `"most_complete"`.
        threshold: The least Jaccard similarity of a dropped row to its kept one.
        num_perm: MinHashes of a signature.
        ngram: Characters in a gram.
        seed: Of the MinHashes, at least 0.
        punctuation: Whether punctuation counts.
        processes: How many processes look for candidates; more than 1 needs the caller's script to be
            protected by `if __name__ == "__main__":`. The result does not depend on it.
        second_opinion: An embedder; a row that it finds less similar to the kept one than its
            threshold stays.
        review_path: A `.jsonl` or `.csv` file for the clusters, the least similar first. It holds texts.
        report: Counts are added to it.

    Raises:
        ValueError: For a setting out of its range, or where `by` does not fit a row.
        ImportError: When `datasketch` is not installed.
    """
    check_choice("keep", keep, KEEP)
    sketch_settings(threshold, num_perm, ngram, seed, punctuation, processes)
    settings = _Settings(
        by=check_by(by),
        keep=keep,
        threshold=threshold,
        num_perm=num_perm,
        ngram=ngram,
        seed=seed,
        punctuation=punctuation,
        processes=processes,
        opinion=second_opinion,
        review_path=None if review_path is None else check_review_path(review_path),
    )
    counted = DuplicateReport() if report is None else report
    return _drop(as_records(rows, ledger), settings, ledger, counted)


def _drop(
    records: Iterator[Record], settings: _Settings, ledger: Ledger, report: DuplicateReport
) -> Iterator[Record]:
    with Spool() as spool:
        preference = array("q")
        has_text = bytearray()
        clusters = near_duplicates(
            _spooled(records, settings, spool, preference, has_text),
            threshold=settings.threshold,
            num_perm=settings.num_perm,
            ngram=settings.ngram,
            seed=settings.seed,
            punctuation=settings.punctuation,
            processes=settings.processes,
        )
        decisions = _Decisions()
        for members in clusters.members():
            able = [index for index in members.tolist() if has_text[index]]
            _decide(able, spool, preference, settings, decisions)
        if settings.opinion is not None:
            _ask(settings.opinion, spool, settings.by, decisions)
        dropped = {i: kept for i, kept in decisions.kept_for.items() if i not in decisions.refused}

        sizes = np.unique(list(dropped.values()), return_counts=True)[1] + 1
        report.near += len(dropped)
        report.clusters += len(sizes)
        report.sizes.update(sizes.tolist())
        report.refused += len(decisions.refused)
        if settings.review_path is not None:
            rows = _reviewed(spool, settings.by, decisions)
            write_review(settings.review_path, rows, REVIEW_COLUMNS)

        origins = {kept: str(spool[kept]) for kept in sorted(set(dropped.values()))}
        for index, row in enumerate(spool):
            if index not in dropped:
                yield row.record()
                continue
            similarity = decisions.similarity[index]
            ledger.reject(
                Record({}, row.source, row.number),
                stage="duplicates",
                field=None,
                value=None,
                reason=NEARLY_REPEATS,
                detail=f"{origins[dropped[index]]}; similarity {similarity:.2f}",
            )


def _spooled(
    records: Iterator[Record],
    settings: _Settings,
    spool: Spool,
    preference: "array[int]",
    has_text: bytearray,
) -> Iterator[tuple[str, ...]]:
    """Put each record aside and yield what is compared of it."""
    for record in records:
        parts = compared_parts(record.values, settings.by)
        spool.add(record)
        has_text.append(bool(parts))
        if settings.keep != "first":
            texts = [text for value in record.values.values() if (text := written(value).strip())]
            filled = len(texts) if settings.keep == "most_complete" else 0
            preference.append(filled * _COLUMN + sum(map(len, texts)))
        yield parts


def _decide(
    members: Sequence[int],
    spool: Spool,
    preference: "array[int]",
    settings: _Settings,
    decisions: _Decisions,
) -> None:
    """Choose the kept rows among the members of one cluster."""
    if settings.keep != "first":
        members = sorted(members, key=lambda index: (-preference[index], index))
    by_width: dict[int, tuple[list[int], list[tuple[str, ...]]]] = {}
    for index in members:
        parts = compared_parts(spool[index].values, settings.by)
        forms = tuple(normal_form(part, punctuation=settings.punctuation) for part in parts)
        indices, of_rows = by_width.setdefault(len(forms), ([], []))
        indices.append(index)
        of_rows.append(forms)
    for indices, of_rows in by_width.values():
        choices = choose_kept(of_rows, settings.threshold, settings.ngram)
        for place, choice in enumerate(choices):
            if choice.kept != place:
                decisions.kept_for[indices[place]] = indices[choice.kept]
                decisions.similarity[indices[place]] = choice.similarity


def _ask(opinion: CosineOpinion, spool: Spool, by: By, decisions: _Decisions) -> None:
    """Let the embedder refuse drops."""
    drops = list(decisions.kept_for.items())
    pairs = ((_text(spool[index], by), _text(spool[kept], by)) for index, kept in drops)
    for (index, _), cosine in zip(drops, opinion.similarities(pairs), strict=True):
        decisions.cosine[index] = cosine
        if cosine < opinion.threshold:
            decisions.refused.add(index)


def _reviewed(spool: Spool, by: By, decisions: _Decisions) -> Iterator[dict[str, Any]]:
    """Yield the rows of the review file, the cluster with the least similar dropped row first."""
    members: dict[int, list[int]] = {}
    for index, kept in decisions.kept_for.items():
        members.setdefault(kept, []).append(index)
    similarity = decisions.similarity
    worst = {kept: min(similarity[index] for index in rows) for kept, rows in members.items()}
    for cluster, kept in enumerate(sorted(members, key=lambda kept: (worst[kept], kept))):
        others = sorted(members[kept], key=lambda index: (similarity[index], index))
        for index in (kept, *others):
            record = spool[index]
            cosine = decisions.cosine.get(index)
            yield {
                "cluster": cluster,
                "similarity": round(similarity.get(index, 1.0), 4),
                "cosine": None if cosine is None else round(cosine, 4),
                "kept": index == kept or index in decisions.refused,
                "source": record.source,
                "row_number": record.number,
                "text": _text(record, by),
            }


def _text(record: Record, by: By) -> str:
    return "\n".join(part for part in compared_parts(record.values, by) if part.strip())
