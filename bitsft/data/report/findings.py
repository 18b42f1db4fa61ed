"""The sections made from what other stages found: duplicates, quality, leaks.

Each takes the mapping that its stage puts into the manifest. Keys that are not known here are left alone.
"""

from collections.abc import Mapping
from typing import Any

from bitsft.data.fields import shorten
from bitsft.data.report.inputs import (
    bins_of,
    count_of,
    is_number,
    mapping_of,
    mappings_of,
    number_of,
    text_of,
)
from bitsft.data.split.leaks import DISTRACTOR
from bitsft.data.tasks import texts_of
from bitsft.pages.bars import Bar, bar_chart
from bitsft.pages.blocks import Cards, Figure, Figures, Note, Section, Table
from bitsft.pages.histogram import Bins, bin_scores, histogram
from bitsft.pages.numbers import number
from bitsft.pages.visible import cut

_MOST_CLUSTERED = 40
_MOST_CONFLICTS = 20
_MOST_WORST = 20
_TEXT = 240


def duplicates_section(
    duplicates: Mapping[str, Any] | None, text: dict[str, str]
) -> Section | None:
    """Exact and near duplicates, sizes of clusters, examples; None when they were not looked for."""
    if duplicates is None:
        return None
    section = Section("duplicates", text["duplicates"])
    kinds = [(kind, count_of(duplicates, kind, "duplicates")) for kind in ("exact", "near")]
    if duplicates.get("conflicts") is not None:
        kinds.append(("conflicts", count_of(duplicates, "conflicts", "duplicates")))
    if not any(count for _, count in kinds):
        section.blocks.append(Note(text["none_duplicate"], "good"))
    else:
        section.blocks.append(
            Cards(tuple((text[kind], number(count), "plain") for kind, count in kinds))
        )
    if text_of(duplicates, "signature"):
        section.blocks.append(Note(f"{text['signature']}: {text_of(duplicates, 'signature')}"))
    sizes = _sizes(duplicates)
    if sizes:
        bars = [
            Bar(text["cluster_of"].format(size=size), count, number(count))
            for size, count in sizes.items()
        ]
        chart = bar_chart("duplicates-sizes", text["cluster_sizes"], bars)
        section.blocks.append(Figures((Figure(text["cluster_sizes"], chart),), wide=True))
    lines = tuple(
        (
            text_of(row, "cluster"),
            _origin(row, text),
            text["kept"] if row.get("kept") else "",
            _score(row, "similarity", "duplicates['examples']"),
            cut(text_of(row, "text"), _TEXT),
        )
        for row in mappings_of(duplicates, "examples", "duplicates")[:_MOST_CLUSTERED]
    )
    if lines:
        columns = (text["cluster"], text["row"], "", text["similarity"], text["text"])
        section.blocks.append(Table(text["examples"], columns, lines))
    conflicts = tuple(
        (
            cut(text_of(item, "question"), _TEXT),
            cut(text_of(item, "first_answer"), _TEXT),
            cut(text_of(item, "answer"), _TEXT),
        )
        for item in mappings_of(duplicates, "conflict_examples", "duplicates")[:_MOST_CONFLICTS]
    )
    if conflicts:
        titles = (text["question"], text["first_answer"], text["other_answer"])
        section.blocks.append(Table(text["conflicts"], titles, conflicts))
    return section


def quality_section(quality: Mapping[str, Any] | None, text: dict[str, str]) -> Section | None:
    """Histograms of scores, and the rows with the worst ones; None when there are neither."""
    if quality is None:
        return None
    section = Section("quality", text["quality"])
    figures = []
    for place, (name, score) in enumerate(mapping_of(quality, "scores", "quality").items()):
        where = f"quality['scores'][{name!r}]"
        bins, caption = _histogram(score, where)
        if bins is not None and any(bins.counts):  # a score that judged no row shows nothing
            chart = histogram(f"quality-{place}", name, bins)
            figures.append(Figure(name, chart, caption))
    if figures:
        section.blocks.append(Figures(tuple(figures)))
    lines = tuple(
        (
            _score(item, "lowest", "quality['worst']"),
            _origin(item, text),
            cut(text_of(item, "question"), _TEXT),
            cut(text_of(item, "answer"), _TEXT),
            cut(" · ".join(texts_of(item.get("missing"))), _TEXT),
        )
        for item in mappings_of(quality, "worst", "quality")[:_MOST_WORST]
    )
    if lines:
        columns = tuple(text[name] for name in ("lowest", "row", "question", "answer", "missing"))
        section.blocks.append(Table(text["worst"], columns, lines))
    if section.blocks and text_of(quality, "signature"):
        section.blocks.append(Note(f"{text['signature']}: {text_of(quality, 'signature')}"))
    return section if section.blocks else None


def leaks_section(leaks: Mapping[str, Any] | None, text: dict[str, str]) -> Section | None:
    """What splits share with each other, green when nothing; None when it was not looked for.

    Raises:
        ValueError: For a mapping without counts: no count must not pass for "no leaks".
    """
    if leaks is None:
        return None
    section = Section("leaks", text["leaks"])
    if "shared" not in leaks:
        raise ValueError(
            f"leaks is {shorten(dict(leaks))}, which counts nothing; give LeakReport.as_dict(), "
            "{'shared': [{'kind', 'split', 'other', 'rows', 'of'}, ...]}"
        )
    shared = mappings_of(leaks, "shared", "leaks")
    where = "leaks['shared']"
    found = sum(count_of(item, "rows", where) for item in shared if item.get("kind") != DISTRACTOR)
    note = (
        Note(text["leaks_found"].format(count=number(found)), "bad")
        if found
        else Note(text["none_leak"], "good")
    )
    section.blocks.append(note)
    unknown = count_of(leaks, "rows_without_task", "leaks")
    if unknown:
        section.blocks.append(Note(text["without_task"].format(count=number(unknown)), "bad"))
    lines = []
    for item in shared:
        rows, total = count_of(item, "rows", where), count_of(item, "of", where)
        share = f"{rows / total:.1%}" if total else ""
        splits = f"{text_of(item, 'split')} ← {text_of(item, 'other')}"
        lines.append((splits, text_of(item, "kind"), rows, share))
    if lines:
        titles = (text["splits"], text["kind"], text["rows"], text["share"])
        section.blocks.append(Table("", titles, tuple(lines)))
        if any(item.get("kind") == DISTRACTOR for item in shared):
            section.blocks.append(Note(text["distractors"]))
    return section


def _sizes(duplicates: Mapping[str, Any]) -> dict[int, int]:
    sizes = mapping_of(duplicates, "cluster_sizes", "duplicates")
    found = {}
    for size in sizes:
        if not str(size).isdecimal():
            raise ValueError(
                f"duplicates['cluster_sizes'] has the size {shorten(size)}; give whole numbers"
            )
        found[int(size)] = count_of(sizes, size, "duplicates['cluster_sizes']")
    return dict(sorted(found.items()))


def _histogram(score: Any, where: str) -> tuple[Bins | None, str]:
    """Return the histogram of a score, given as its values or counted already, and its signature."""
    caption = ""
    if isinstance(score, Mapping):
        caption = text_of(score, "signature")
        if "histogram" in score:
            return bins_of(mapping_of(score, "histogram", where), where), caption
        score = score.get("values")
    if score is None:
        return None, caption
    if not isinstance(score, list | tuple) or not all(isinstance(v, int | float) for v in score):
        raise ValueError(
            f"{where} is {shorten(score)}; give a list of numbers, {{'values': [...]}} or "
            "{'histogram': {'edges', 'counts'}}"
        )
    return bin_scores([value for value in score if is_number(value)]), caption


def _origin(row: Mapping[str, Any], text: dict[str, str]) -> str:
    place = text_of(row, "row_number")
    return ", ".join(
        filter(None, (text_of(row, "source"), place and f"{text['row'].lower()} {place}"))
    )


def _score(row: Mapping[str, Any], key: str, where: str) -> str:
    value = number_of(row, key, where)
    return "" if value is None else f"{value:.2f}"
