"""The sections made from the ledger: what came in and went out, what was rejected, what was changed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bitsft.data.fields import shorten
from bitsft.data.ledger import Ledger
from bitsft.data.rejected import RejectedRow
from bitsft.data.report.inputs import count_of, mapping_of, mappings_of, text_of
from bitsft.data.report.survey import TaskSurvey
from bitsft.pages.bars import Bar, bar_chart, waterfall
from bitsft.pages.blocks import (
    Block,
    Cards,
    Figure,
    Figures,
    Note,
    Section,
    Table,
    difference,
)
from bitsft.pages.charts import VERMILLION
from bitsft.pages.numbers import number
from bitsft.pages.visible import cut

# The order in which rows pass the stages; a stage that is not named here comes last.
_STAGES = (
    "read", "check", "clean", "duplicates", "raft_builder", "quality", "balance", "augment", "mix", "format",
    "budget", "split",
)  # fmt: skip
_MOST_BARS = 25
_EXAMPLES_PER_REASON = 3
_MOST_EXAMPLES = 60
_MOST_COLUMNS = 20
_VALUE = 160


def overview_section(
    ledger_counts: Mapping[str, Any] | None, tasks: Mapping[str, TaskSurvey], text: dict[str, str]
) -> Section:
    """Headline numbers, what became of every row, and the rows of each split."""
    section = Section("overview", text["overview"])
    by_split: Counter[str] = Counter()
    for task in tasks.values():
        by_split.update(task.rows)
    found = by_split.total()
    if ledger_counts is None:
        section.blocks.append(Cards(((text["rows"], number(found), "plain"),)))
    else:
        section.blocks += _account(ledger_counts, found, text)
    section.blocks.append(_splits(by_split, tasks, text))
    for task in tasks.values():
        if task.refused:
            line = text["refused"].format(
                task=task.name, count=number(task.refused), first=cut(task.refusal, 300)
            )
            section.blocks.append(Note(line, "bad"))
    if ledger_counts is not None:
        unused = mapping_of(ledger_counts, "columns_left_out", "ledger_counts")
        rows = tuple((str(name), unused[name]) for name in list(unused)[:_MOST_COLUMNS])
        if rows:
            columns = (text["field"], text["rows"])
            section.blocks.append(Table(text["columns_left_out"], columns, rows, folded=True))
    return section


def rejected_section(
    ledger_counts: Mapping[str, Any] | None, rejected: Iterable[RejectedRow], text: dict[str, str]
) -> Section | None:
    """Rejected rows by reason, with examples; None when nothing is known of rejects."""
    found: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], list[RejectedRow]] = {}
    for row in rejected:
        key = (row.stage, row.field or "", row.reason)
        found[key] += 1
        if found[key] <= _EXAMPLES_PER_REASON:
            examples.setdefault(key, []).append(row)
    if ledger_counts is not None:
        counted = mappings_of(ledger_counts, "rejections", "ledger_counts")
        found = Counter()
        for item in counted:
            key = (text_of(item, "stage"), text_of(item, "field"), text_of(item, "reason"))
            found[key] += count_of(item, "rows", "ledger_counts['rejections']")
    section = Section("rejected", text["rejected"])
    if not found:
        if ledger_counts is None:
            return None
        section.blocks.append(Note(text["none_rejected"], "good"))
        return section
    order = sorted(found, key=lambda key: (-found[key], key))
    total = found.total()
    bars = [
        Bar(" · ".join(filter(None, key)), found[key], number(found[key]), VERMILLION)
        for key in order[:_MOST_BARS]
    ]
    others = sum(found[key] for key in order[_MOST_BARS:])
    if others:
        label = text["others"].format(count=number(len(order) - _MOST_BARS))
        bars.append(Bar(label, others, number(others), VERMILLION))
    heading = f"{text['by_reason']} ({number(total)})"
    chart = bar_chart("rejected-chart", heading, bars)
    section.blocks.append(Figures((Figure(heading, chart),), wide=True))
    shown = [row for key in order for row in examples.get(key, [])][:_MOST_EXAMPLES]
    if shown:
        names = ("source", "row", "stage", "field", "value", "reason", "remedy")
        columns = tuple(text[name] for name in names)
        section.blocks.append(
            Table(text["examples"], columns, tuple(_reject_line(row) for row in shown))
        )
    return section


def changes_section(
    ledger_counts: Mapping[str, Any] | None,
    examples: Sequence[Mapping[str, Any]],
    text: dict[str, str],
) -> Section | None:
    """Changed values by kind, with examples; None when nothing was changed."""
    counted = (
        [] if ledger_counts is None else mappings_of(ledger_counts, "changes", "ledger_counts")
    )
    if not counted and not examples:
        return None
    section = Section("changes", text["changes"])
    bars = []
    for item in counted:
        rows = count_of(item, "rows", "ledger_counts['changes']")
        times = count_of(item, "times", "ledger_counts['changes']")
        label = f"{text_of(item, 'stage')} · {text_of(item, 'kind')}"
        shown = number(rows)
        if times != rows:
            shown += f" ({text['times'].format(times=number(times))})"
        bars.append(Bar(label, rows, shown))
    bars.sort(key=lambda bar: (-bar.value, bar.label))
    if bars:
        chart = bar_chart("changes-chart", text["by_kind"], bars[:_MOST_BARS])
        section.blocks.append(Figures((Figure(text["by_kind"], chart),), wide=True))
    lines = []
    for item in examples[:_MOST_EXAMPLES]:
        before, after = difference(text_of(item, "before"), text_of(item, "after"))
        lines.append((text_of(item, "kind"), _where(item), text_of(item, "field"), before, after))
    if lines:
        columns = tuple(text[name] for name in ("kind", "row", "field", "before", "after"))
        section.blocks.append(Table(text["examples"], columns, tuple(lines)))
    return section


def changes_examples(ledger: Ledger) -> list[dict[str, str]]:
    """Return a ledger's examples of changes as `build_report` takes them, and JSON can hold them."""
    return [
        {"stage": stage, "kind": kind, "row": row, "field": name, "before": before, "after": after}
        for (stage, kind), change in sorted(ledger.changes.items())
        for row, name, before, after in change.examples
    ]


def _account(counts: Mapping[str, Any], found: int, text: dict[str, str]) -> list[Block]:
    rows_in = count_of(counts, "rows_in", "ledger_counts")
    rows_out = count_of(counts, "rows_out", "ledger_counts")
    added = mapping_of(counts, "rows_added", "ledger_counts")
    adds = {stage: count_of(added, stage, "ledger_counts['rows_added']") for stage in added}
    rejects: Counter[str] = Counter()
    for item in mappings_of(counts, "rejections", "ledger_counts"):
        rejects[text_of(item, "stage")] += count_of(item, "rows", "ledger_counts['rejections']")
    missing = rows_in + sum(adds.values()) - rows_out - rejects.total()
    cards = [(text["rows_in"], number(rows_in), "plain")]
    if adds:
        cards.append((text["rows_added"], number(sum(adds.values())), "plain"))
    cards.append((text["rows_rejected"], number(rejects.total()), "plain"))
    cards.append((text["rows_out"], number(rows_out), "plain" if missing else "good"))
    balance = (
        Note(text["adds_up_not"].format(difference=number(missing)), "bad")
        if missing
        else Note(text["adds_up"], "good")
    )
    blocks: list[Block] = [Cards(tuple(cards)), balance]
    if found != rows_out:
        blocks.append(
            Note(text["out_differs"].format(found=number(found), out=number(rows_out)), "bad")
        )
    steps = [(Bar(text["rows_in"], rows_in, number(rows_in)), "absolute")]
    for stage in sorted({*adds, *rejects}, key=_stage_order):
        if adds.get(stage):
            label = text["added_by"].format(stage=stage)
            steps.append((Bar(label, adds[stage], f"+{number(adds[stage])}"), "relative"))
        if rejects[stage]:
            label = text["rejected_by"].format(stage=stage)
            steps.append((Bar(label, -rejects[stage], f"−{number(rejects[stage])}"), "relative"))
    # An absolute sum, not plotly's running one: what does not add up must show as a step.
    steps.append((Bar(text["rows_out"], rows_out, number(rows_out)), "absolute"))
    chart = waterfall(
        "overview-flow", text["flow"], [bar for bar, _ in steps], [how for _, how in steps]
    )
    blocks.append(Figures((Figure(text["flow"], chart),), wide=True))
    return blocks


def _splits(by_split: Counter[str], tasks: Mapping[str, TaskSurvey], text: dict[str, str]) -> Table:
    total = max(by_split.total(), 1)
    columns = (text["split"], text["rows"], text["share"], *(tasks if len(tasks) > 1 else ()))
    rows = tuple(
        (
            split,
            count,
            f"{count / total:.1%}",
            *((task.rows[split] for task in tasks.values()) if len(tasks) > 1 else ()),
        )
        for split, count in by_split.items()
    )
    return Table("", columns, rows)


def _stage_order(stage: str) -> tuple[int, str]:
    return (_STAGES.index(stage) if stage in _STAGES else len(_STAGES), stage)


def _reject_line(row: RejectedRow) -> tuple[str | int, ...]:
    value = row.value if isinstance(row.value, str) else shorten(row.value)
    shown = "" if row.value is None else cut(value, _VALUE)
    reason = f"{row.reason} ({row.detail})" if row.detail else row.reason
    return (
        cut(row.source, _VALUE),
        str(row.row_number),
        row.stage,
        row.field or "",
        shown,
        cut(reason, _VALUE),
        cut(row.remedy or "", _VALUE),
    )


def _where(item: Mapping[str, Any]) -> str:
    """Return the row's name as `Record` writes it, or put it together from its parts."""
    if "row" in item:
        return text_of(item, "row")
    return ", ".join(filter(None, (text_of(item, "source"), text_of(item, "row_number"))))
