"""The section on balance: tasks in each split, labels and repeated answers, languages."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bitsft.data.report.inputs import count_of
from bitsft.data.report.survey import TaskSurvey
from bitsft.pages.bars import grouped_chart, shares_chart
from bitsft.pages.blocks import Figure, Figures, Section
from bitsft.pages.numbers import number

_MOST_LABELS = 20


def balance_section(
    tasks: Mapping[str, TaskSurvey], languages: Mapping[str, Any], text: dict[str, str]
) -> Section | None:
    """Tasks in each split, labels and repeated answers, languages; None when there is but one of each."""
    section = Section("balance", text["balance"])
    if len(tasks) > 1:
        splits = dict.fromkeys(split for task in tasks.values() for split in task.rows)
        parts = {
            split: {name: task.rows[split] for name, task in tasks.items()} for split in splits
        }
        chart = shares_chart("balance-tasks", text["tasks_by_split"], parts)
        section.blocks.append(Figures((Figure(text["tasks_by_split"], chart),), wide=True))
    figures = []
    for place, task in enumerate(tasks.values()):
        if not task.has_labels or task.answers is None:
            continue
        key = "labels_of" if task.name == "classification" else "answers_of"
        heading = text[key].format(task=task.name)
        parts = _most_frequent(task.answers, text)
        figures.append(
            Figure(
                heading,
                grouped_chart(f"balance-labels-{place}", heading, parts),
                text["labels_caption"],
            )
        )
    if languages:
        heading = text["languages"]
        parts = {text["all"]: {str(name): count_of(languages, name, heading) for name in languages}}
        figures.append(Figure(heading, grouped_chart("balance-languages", heading, parts)))
    if figures:
        section.blocks.append(Figures(tuple(figures)))
    return section if section.blocks else None


def _most_frequent(
    answers: Mapping[str, Counter[str]], text: dict[str, str]
) -> dict[str, dict[str, int]]:
    """Return the counts by split of the most frequent labels; the others are put together."""
    total: Counter[str] = Counter()
    for counter in answers.values():
        total.update(counter)
    order = sorted(total, key=lambda label: (-total[label], label))
    shown, others = order[:_MOST_LABELS], order[_MOST_LABELS:]
    if len(others) == 1:
        shown, others = order, []
    parts = {}
    for split, counter in answers.items():
        parts[split] = {label or text["empty"]: counter[label] for label in shown}
        if others:
            label = text["others"].format(count=number(len(others)))
            parts[split][label] = sum(counter[label] for label in others)
    return parts
