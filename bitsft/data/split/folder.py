"""`write_split`: a `Split` -> a folder with a file for each split, a card and a manifest.

    FOLDER/train.parquet  validation.parquet  test.parquet  dataset_card.md  manifest.json

All files of a folder have one schema, so that `datasets.load_dataset` takes them together. Each file is
replaced as a whole, and the manifest comes last: a folder that a killed run left behind has the file
`.incomplete` in it, and `verify_manifest` says so. Writing the folder again puts it right.

What is in the folder already is replaced without a question when it is the work of an earlier run and
was not touched since; otherwise `overwrite=True` is needed. What is not of this run's making is never
deleted.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.choices import check_choice
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.split.card import CARD, dataset_card
from bitsft.data.split.leaks import find_leaks
from bitsft.data.split.lock import only_writer
from bitsft.data.split.manifest import (
    FORM,
    INCOMPLETE,
    MANIFEST,
    as_json,
    hashed,
    input_entries,
    read_manifest,
    verify_manifest,
    versions,
)
from bitsft.data.split.records import Split
from bitsft.data.split.summary import Summary
from bitsft.data.write.columns import Columns
from bitsft.data.write.parquet import write_parquet


def write_split(
    split: Split,
    folder: str | os.PathLike[str],
    *,
    ledger: Ledger,
    format: Literal["parquet", "jsonl"] = "parquet",
    name: str = "dataset",
    licence: str | None = None,
    language: str = "ko",
    settings: Mapping[str, Any] | None = None,
    findings: Mapping[str, Any] | None = None,
    inputs: Iterable[str | os.PathLike[str]] = (),
    packages: Sequence[str] = (),
    moved: Mapping[str, Path] | None = None,
    beside: Collection[str] = ("report.html",),
    overwrite: bool = False,
    locked: bool = False,
) -> dict[str, Any]:
    """Write the splits, `dataset_card.md` and `manifest.json` to a folder.

    Args:
        split: What `split_records` returned.
        folder: Where to; made if it is missing.
        ledger: The ledger of all stages; the rows are counted out here, and its counts are written.
        format: `"parquet"` or `"jsonl"`.
        name: The data set's name, for the card.
        licence: The Hub's identifier of its licence, e.g. `"cc-by-sa-4.0"`. None leaves a mark to be
            filled in.
        language: ISO 639-1 code of its texts.
        settings: The settings of the stages before, `{"clean": {...}, ...}`; those of the split are
            added.
        findings: What the stages before found, for the manifest and the report that is made of it:
            `{"duplicates": {...}, "quality": {...}, ...}`.
        inputs: Files that were read, besides those that the records name as their source.
        packages: Further packages whose versions matter, e.g. `["datasketch"]`.
        moved: Files that other stages finished, by the names that they get in the folder; they are
            listed in the manifest. A name that starts with "." and holds ".part" may lie in the folder.
        beside: Names of files that are written into a finished folder; they are let be.
        overwrite: Replace files that are not an earlier run's.
        locked: Whether the caller holds the folder's lock (`lock.py`) already.

    Returns:
        The manifest.

    Raises:
        ValueError: When the folder holds something else, for rows that have no form in Parquet, and
            for settings that have none in JSON, and while another run writes there. Nothing is replaced then.
        FileNotFoundError: When one of `inputs` does not exist.
    """
    check_choice("format", format, ("parquet", "jsonl"))
    target, moved = Path(folder), dict(moved or {})
    files = {part: f"{part}.{format}" for part in split.names}
    new = {*files.values(), *moved, CARD}
    earlier = check_folder(target, new, beside=beside, overwrite=overwrite)

    columns = Columns() if format == "parquet" else None
    summaries = {part: Summary() for part in split.names}
    group_by = split.report.settings["group_by"]
    by_column = group_by not in (None, "auto", "document", "question")
    leaks = find_leaks(
        {
            part: summaries[part].observe(_noted(split.records(part), columns))
            for part in split.names
        },
        columns=[group_by] if by_column else [],
        cluster_of=split.cluster_of,
    )
    all_settings = {**(settings or {}), "split": {**split.report.settings, "format": format}}
    manifest: dict[str, Any] = {
        "manifest": FORM,
        "name": name,
        "licence": licence,
        "language": language,
        "inputs": input_entries(split.spool.sources, inputs),
        "outputs": [],
        "counts": {},
        "splits": {part: summary.as_dict() for part, summary in summaries.items()},
        "split": split.report.as_dict(),
        "leaks": leaks.as_dict(),
        "settings": all_settings,
        "versions": versions(packages),
    }
    for part, found in (findings or {}).items():
        if part in manifest:
            raise ValueError(
                f"findings names {part!r}, which is a part of every manifest; rename it"
            )
        manifest[part] = found
    as_json(manifest)  # settings without a form in JSON are found before anything is replaced

    card = partial(
        dataset_card,
        name=name,
        files=files,
        summaries=summaries,
        report=split.report,
        leaks=leaks,
        settings=all_settings,
        language=language,
        licence=licence,
    )
    target.mkdir(parents=True, exist_ok=True)
    with nullcontext() if locked else only_writer(target):
        _start(target, new, earlier, {path.name for path in moved.values()})
        for part, file in files.items():
            with atomic_path(target / file) as path:
                if columns is not None:
                    write_parquet(split.lines(part), path, columns)
                else:
                    with path.open("wb") as out:
                        out.writelines(line + b"\n" for line in split.lines(part))
        ledger.count_out(len(split.spool))
        manifest["counts"] = ledger.as_dict()
        with atomic_path(target / CARD) as path:
            path.write_text(card(counts=manifest["counts"]), encoding="utf-8", newline="\n")
        for file, path in moved.items():
            path.replace(target / file)
        manifest["outputs"] = [
            {"name": file, **hashed(target / file), "rows": summaries[part].rows}
            for part, file in files.items()
        ]
        manifest["outputs"] += [{"name": file, **hashed(target / file)} for file in (CARD, *moved)]
        with atomic_path(target / MANIFEST) as path:
            path.write_bytes(as_json(manifest))
        (target / INCOMPLETE).unlink()
    return manifest


def _start(
    target: Path, new: Collection[str], earlier: Collection[str], own: Collection[str]
) -> None:
    """Mark the folder as incomplete, and clear away what an earlier run left.

    Args:
        target: The folder.
        new: The names of the files to come.
        earlier: The names of an earlier run's files.
        own: The names of this run's own unfinished files.
    """
    coming = sorted({*new, *earlier})
    (target / INCOMPLETE).write_text("".join(f"{file}\n" for file in coming), "utf-8")
    (target / MANIFEST).unlink(missing_ok=True)
    for file in {*earlier, *_parts(target)} - {*new, *own}:
        (target / file).unlink(missing_ok=True)


def _noted(records: Iterator[Record], columns: Columns | None) -> Iterator[Record]:
    for record in records:
        if columns is not None:
            columns.observe(record)
        yield record


def check_folder(
    folder: Path, new: Collection[str], *, beside: Collection[str] = (), overwrite: bool = False
) -> set[str]:
    """Return the names of an earlier run's files.

    Args:
        folder: Where splits are to be written.
        new: The names of the files to be written.
        beside: Names of files that may be there.
        overwrite: Allow whatever is there.

    Raises:
        ValueError: When the folder is a file, or holds something else and `overwrite` is not given.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file; give the name of a folder")
    if not folder.exists():
        return set()
    there = {path.name for path in folder.iterdir()}
    if not {MANIFEST, INCOMPLETE} & there:
        beside = ()  # no run was here, so they are the user's own
    incomplete, changed = folder / INCOMPLETE, []
    if incomplete.is_file():
        earlier = set(incomplete.read_text("utf-8").splitlines())
    elif MANIFEST in there:
        try:
            earlier = {entry["name"] for entry in read_manifest(folder)["outputs"]}
            changed = verify_manifest(folder)
        except ValueError as error:
            if not overwrite:
                raise ValueError(f"{error}. overwrite=True replaces it") from error
            earlier = set()
    else:
        earlier = set()
    earlier = {name for name in earlier if Path(name).name == name}
    changed = [sentence for sentence in changed if "is missing" not in sentence]
    others = sorted(there - earlier - _parts(folder) - {MANIFEST, INCOMPLETE, *beside})
    if others and not overwrite:
        raise ValueError(
            f"{folder}: holds {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}, which "
            "no earlier run wrote. Choose an empty folder, or overwrite=True, which replaces "
            f"{', '.join(sorted(new))} and leaves the rest"
        )
    if changed and not overwrite:
        raise ValueError(
            f"{folder}: {'; '.join(changed)}, since an earlier run wrote it. Save it elsewhere, or "
            "overwrite=True"
        )
    return earlier & there


def _parts(folder: Path) -> set[str]:
    """The names of files that a run has not finished, or was not able to."""
    return {p.name for p in folder.iterdir() if p.name.startswith(".") and ".part" in p.name}
