"""The section on lengths: how many characters and tokens the prompts and completions have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bitsft.data.report.pairs import Formatter, Row, pair_of
from bitsft.data.report.survey import TaskSurvey
from bitsft.data.report.tokens import Tokens
from bitsft.pages.blocks import Block, Figure, Figures, Note, Section, Table
from bitsft.pages.charts import BLUE, GREEN, GREY
from bitsft.pages.histogram import bin_lengths, histogram
from bitsft.pages.numbers import number

# As in the samples: grey is read only, blue is learned.
_COLOURS = {"prompt": GREY, "completion": BLUE, "whole_row": GREEN}


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of the rows of one task that were counted.

    Attributes:
        prompt: Of each prompt.
        whole: Of each whole row.
    """

    prompt: Sequence[int]
    whole: Sequence[int]


def count_tokens(
    tasks: Mapping[str, TaskSurvey],
    rows_by_split: Mapping[str, Sequence[Row]],
    formatter: Formatter | None,
    tokens: Tokens,
) -> dict[str, TokenCounts]:
    """Count the tokens of the rows that the survey has drawn, for each task that can be tokenized."""
    counts = {}
    for task in tasks.values():
        addresses = sorted(task.counted.kept)
        pairs = [pair_of(rows_by_split[split][index], formatter) for split, index in addresses]
        if pairs and all(tokens.can_read(pair) for pair in pairs):
            found = tokens.count(pairs)
            counts[task.name] = TokenCounts(
                [prompt for prompt, _ in found], [whole for _, whole in found]
            )
    return counts


def lengths_section(
    tasks: Mapping[str, TaskSurvey],
    counts: Mapping[str, TokenCounts] | None,
    limits: Mapping[str, float],
    text: dict[str, str],
) -> Section | None:
    """Histograms of characters and tokens; None when there are no rows.

    Args:
        tasks: The survey.
        counts: Of tokens; None without a tokenizer.
        limits: `max_length` and the like, marked in the histograms of whole rows.
        text: The words.
    """
    section = Section("lengths", text["lengths"])
    lines: list[tuple[str | int | float, ...]] = []
    for place, task in enumerate(tasks.values()):
        if not task.prompt:
            continue
        parts: list[tuple[str, str, Sequence[int]]] = [
            ("characters", "prompt", task.prompt),
            ("characters", "completion", task.completion),
        ]
        counted = (counts or {}).get(task.name)
        if counted is not None:
            learned = [a - b for a, b in zip(counted.whole, counted.prompt, strict=True)]
            parts += [
                ("tokens", "prompt", counted.prompt),
                ("tokens", "completion", learned),
                ("tokens", "whole_row", counted.whole),
            ]
        figures: dict[str, list[Figure]] = {}
        for number_of_part, (unit, part, values) in enumerate(parts):
            marked = limits if part == "whole_row" else {}
            name = f"lengths-{place}-{number_of_part}"
            figure = _length_figure(name, task.name, unit, part, values, marked, text)
            figures.setdefault(unit, []).append(figure)
            lines.append((task.name, text[unit], text[part], *_statistics(values)))
        for number_of_group, group in enumerate(figures.values()):
            heading = "" if number_of_group else task.name
            section.blocks.append(Figures(tuple(group), heading=heading))
        section.blocks += _token_notes(task, counts, text)
    if not lines:
        return None
    columns = ("task", "unit", "part", "rows", "mean", "median", "p95", "p99", "longest")
    titles = tuple(text[name] for name in columns)
    section.blocks.append(Table("", titles, tuple(lines)))
    return section


def _length_figure(
    name: str,
    task: str,
    unit: str,
    part: str,
    values: Sequence[int],
    marked: Mapping[str, float],
    text: dict[str, str],
) -> Figure:
    bins = bin_lengths(values)
    caption = ""
    if bins.above:
        caption = text["above"].format(count=number(bins.above), largest=number(bins.largest))
    chart = histogram(
        name,
        f"{task}: {text[part]}, {text[unit]}",
        bins,
        colour=_COLOURS[part],
        lines=marked,
    )
    return Figure(f"{text[part]} ({text[unit]})", chart, caption)


def _token_notes(
    task: TaskSurvey, counts: Mapping[str, TokenCounts] | None, text: dict[str, str]
) -> list[Block]:
    if counts is None:
        return []
    if task.name not in counts:
        return [Note(text["no_template"])]
    counted = len(counts[task.name].whole)
    if counted == len(task.prompt):
        return []
    line = text["counted_of"].format(counted=number(counted), rows=number(len(task.prompt)))
    return [Note(line)]


def _statistics(values: Sequence[int]) -> tuple[int | float, ...]:
    array = np.asarray(values, dtype=np.int64)
    # "inverted_cdf": a length that occurs, as in the token budget.
    quantiles = np.quantile(array, (0.5, 0.95, 0.99), method="inverted_cdf")
    mean = round(float(array.mean()), 1)
    return (len(array), mean, *(int(value) for value in quantiles), int(array.max()))
