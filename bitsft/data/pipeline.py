"""`prepare`: raw files -> a folder that trains.

    read -> check -> clean -> duplicates -> quality -> split -> FOLDER/

    train.parquet, validation.parquet, test.parquet
    rejected.jsonl          each row that is in none of them, and why
    near_duplicates.jsonl   which row stands for which, the least similar first
    dataset_card.md         what is in the folder, for people
    manifest.json           the same for programs: hashes, counts, settings
    report.html             the same to look at

Each stage is a function of its own, for all that is not done here: RAFT rows built from documents, several
sources mixed, rows augmented. The rows wait in temporary files between the stages that need to see all
of them (near duplicates, the split), so memory grows by some hundred bytes a row, not by the rows.

The same files and settings give the same bytes. A run that is killed leaves `.incomplete` in the folder,
and `verify_manifest` says so; running it again puts the folder right.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bitsft._extras import require
from bitsft.data.budget import token_budget
from bitsft.data.check import Bounds, check_records
from bitsft.data.clean import Cleaning, clean_records
from bitsft.data.duplicates import (
    DuplicateReport,
    drop_exact_duplicates,
    drop_near_duplicates,
)
from bitsft.data.format import format_record
from bitsft.data.ledger import Ledger
from bitsft.data.quality import BalanceReport, QualityReport, quality_records
from bitsft.data.read import read_records
from bitsft.data.records import Record
from bitsft.data.report import changes_examples, report_from_folder, write_report
from bitsft.data.split import Split, SplitReport, split_records, write_split
from bitsft.data.split.assign import Method
from bitsft.data.split.card import CARD
from bitsft.data.split.folder import check_folder
from bitsft.data.split.lock import only_writer
from bitsft.data.split.ratios import RATIOS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REJECTED = "rejected.jsonl"
REPORT = "report.html"
NEAR = "near_duplicates.jsonl"
_EXAMPLES = 40  # rows of the review file that go into the report
BESIDE = (REPORT,)  # is made of the finished folder, so its manifest cannot name it


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did. `str()` is a summary of some lines.

    Attributes:
        folder: Where the files are.
        ledger: What became of every row.
        split: Rows in each split, wanted and got.
        duplicates: Exact and near duplicates.
        labels: Rows of each class label, and labels that differ in spelling only.
        quality: Scores of the rows; None without `quality`.
        manifest: The content of `manifest.json`.
    """

    folder: Path
    ledger: Ledger
    split: SplitReport
    duplicates: DuplicateReport
    labels: BalanceReport
    quality: QualityReport | None
    manifest: Mapping[str, Any]

    def __str__(self) -> str:
        lines = [str(self.ledger), str(self.duplicates)]
        lines += [str(self.labels)] if self.labels.counts else []
        lines += [] if self.quality is None else [str(self.quality)]
        return "\n".join([*lines, str(self.split), f"written to {self.folder}"])


def prepare(
    source: Any,
    folder: str | os.PathLike[str],
    *,
    task: str | None = None,
    reading: Mapping[str, Any] | None = None,
    checking: Mapping[str, Any] | None = None,
    cleaning: Cleaning = Cleaning(),  # noqa: B008
    duplicates_by: str | Sequence[str] = "row",
    near: float | None = None,
    processes: int = 1,
    quality: bool = True,
    ratios: Mapping[str, float] = RATIOS,
    group_by: str | None = "auto",
    stratify_by: str | None = "auto",
    method: Method = "hash",
    seed: int = 0,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    max_length: int | None = 1024,
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]] = format_record,
    format: Literal["parquet", "jsonl"] = "parquet",
    name: str | None = None,
    licence: str | None = None,
    report: bool = True,
    language: str = "en",
    strict: bool = False,
    overwrite: bool = False,
) -> Prepared:
    """Read, check, clean, deduplicate and split rows, and write all that is known about them.

    Args:
        source: Whatever `read_records` reads: files, folders, a Hub data set, `datasets` objects.
        folder: Where to write.
        task: The rows' task; None when each row names its own.
        reading: Further arguments of `read_records`, e.g. `{"columns": {"question": "q"}}`.
        checking: Further arguments of `check_records`, e.g. `{"label_names": {"0": "부정"}}`.
        cleaning: What `clean_records` changes.
        duplicates_by: What has to be equal for a duplicate: `"row"`, `"question"` or columns.
        near: The least similarity of near duplicates, e.g. 0.85; None leaves them. It needs the extra
            `data`.
        processes: For near duplicates.
        quality: Score the rows.
        ratios: Of the splits. As in `split_records`, like the next four.
        group_by: Rows that stay together.
        stratify_by: What every split has its share of.
        method: `"hash"` or `"exact"`.
        seed: Of the split.
        tokenizer: The tokenizer to train with, for the token budget.
        max_length: That of the trainer, for the token budget.
        formatter: Turns a row into prompt and completion, for the token budget and the samples.
        format: `"parquet"` or `"jsonl"`.
        name: The data set's name; None for the folder's.
        licence: Of the data, for the card.
        report: Write `report.html`, which needs the extra `report` (`data` includes it).
        language: Of the report's own words, `"en"` or `"ko"`.
        strict: Make the first rejected row an error.
        overwrite: Replace files that an earlier run did not write.

    Returns:
        The counts, also written to the folder.

    Raises:
        ValueError: For a wrong setting, a source in which nothing is readable, rows of which none
            passes, or a folder that holds something else or that another run is writing to.
        FileNotFoundError: When there is no such source.
        ImportError: When a part needs an extra that is not installed.
    """
    if report:  # what is missing is said before the work, not after it
        for module in ("jinja2", "plotly.graph_objects"):
            require(module, "report")
    target = Path(folder)
    settings: dict[str, Any] = {
        "read": _plain(reading or {}),
        "check": {"task": task, **_plain(checking or {})},
        "clean": cleaning.as_dict(),
        "duplicates": {"by": _plain(duplicates_by), "near": near},
    }
    found, labels = DuplicateReport(), BalanceReport("label")
    scores = QualityReport() if quality else None
    files = [f"{part}.{format}" for part in ratios]
    check_folder(target, [*files, CARD, REJECTED, NEAR], beside=BESIDE, overwrite=overwrite)
    # Names of unfinished files: they get their real ones with all the others.
    rejected, review = target / f".{REJECTED}.part", target / f".{NEAR}.part.jsonl"
    made = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    with only_writer(target):
        try:
            with Ledger(rejected, strict=strict) as ledger:
                records = read_records(source, ledger=ledger, **(reading or {}))
                records = check_records(records, task, ledger=ledger, **(checking or {}))
                records = clean_records(records, cleaning, ledger=ledger)
                records = drop_exact_duplicates(
                    records, ledger=ledger, by=duplicates_by, report=found
                )
                if near is not None:
                    records = drop_near_duplicates(
                        records,
                        ledger=ledger,
                        by=duplicates_by,
                        threshold=near,
                        processes=processes,
                        review_path=review,
                        report=found,
                    )
                if scores is not None:
                    records = quality_records(records, ledger=ledger, report=scores)
                split = split_records(
                    _counted(records, labels),
                    ratios,
                    group_by=group_by,
                    stratify_by=stratify_by,
                    method=method,
                    seed=seed,
                    ledger=ledger,
                )
            manifest = write_split(
                split,
                target,
                ledger=ledger,
                format=format,
                name=name or target.resolve().name,
                licence=licence,
                settings=settings,
                packages=["datasketch"] if near is not None else [],
                findings={
                    "changes_examples": changes_examples(ledger),
                    "duplicates": found.as_dict() | _examples(found, review),
                    "quality": scores and scores.as_dict() | {"worst": scores.worst_rows()},
                    "budgets": _budgets(split, tokenizer, max_length, formatter),
                },
                moved={REJECTED: rejected} | ({} if near is None else {NEAR: review}),
                beside=BESIDE,
                overwrite=overwrite,
                locked=True,
            )
        except BaseException:
            rejected.unlink(missing_ok=True)
            review.unlink(missing_ok=True)
            if made and not any(target.iterdir()):
                target.rmdir()
            raise
        ledger.check_balance()
        (target / REPORT).unlink(missing_ok=True)  # of an earlier run
        if report:
            page = report_from_folder(
                target, title=name, tokenizer=tokenizer, formatter=formatter, language=language
            )
            write_report(page, target / REPORT)
    return Prepared(target, ledger, split.report, found, labels, scores, manifest)


def _counted(records: Iterable[Record], labels: BalanceReport) -> Iterator[Record]:
    for record in records:
        labels.add(record.values)
        yield record


def _examples(found: DuplicateReport, review: Path) -> dict[str, Any]:
    """The first clusters of the review file, and the first conflicts, for the report."""
    examples: dict[str, Any] = {"conflict_examples": [asdict(one) for one in found.examples]}
    if review.is_file():
        with review.open(encoding="utf-8") as file:
            examples["examples"] = [json.loads(line) for line in islice(file, _EXAMPLES)]
    return examples


def _budgets(
    split: Split,
    tokenizer: "PreTrainedTokenizerBase | None",
    max_length: int | None,
    formatter: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> dict[str, Any] | None:
    if tokenizer is None:
        return None
    budgets = {}
    for part in split.names:
        rows = (formatter(record.values) for record in split.records(part))
        budgets[part] = token_budget(rows, tokenizer, max_length, parts=True).as_dict()
    return budgets


def _plain(value: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(value, Bounds):
        return [value.min, value.max]
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
