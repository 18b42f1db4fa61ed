"""The section on the token budget, from what `TokenBudget.as_dict()` put into the manifest.

All its numbers are listed, also those that are not known here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bitsft.data.report.inputs import bins_of, check_mapping, mapping_of, number_of
from bitsft.pages.blocks import Cell, Figure, Figures, Note, Section, Table
from bitsft.pages.histogram import FAR, Bins, histogram
from bitsft.pages.numbers import number


def token_budget_section(
    budgets: Mapping[str, Mapping[str, Any]] | None, text: dict[str, str]
) -> Section | None:
    """All numbers of each budget, and its histogram with `max_length` marked; None without any."""
    if not budgets:
        return None
    limits_of(budgets)  # refuses what is no limit
    section = Section("budget", text["budget"])
    figures = []
    lines: dict[str, dict[str, Cell]] = {}
    notes = []
    for place, (name, budget) in enumerate(budgets.items()):
        where = f"budgets[{name!r}]"
        budget = check_mapping(budget, where)
        for key, value in _flat(budget):
            lines.setdefault(key, {})[name] = value
        bins = _whole_histogram(budget, where)
        if bins is None:
            continue
        marks = limits_of({name: budget})
        far = [value for value in marks.values() if value > FAR * bins.edges[-1]]
        if far:
            values = ", ".join(number(value) for value in far)
            notes.append(Note(f"{name}: {text['beyond'].format(values=values)}"))
        heading = f"{text['histogram']}: {name}"
        chart = histogram(f"budget-{place}", heading, bins, lines=marks)
        figures.append(Figure(heading, chart))
    if figures:
        section.blocks.append(Figures(tuple(figures)))
    section.blocks += notes
    for name, budget in budgets.items():
        lost = budget.get("completion_lost")
        if isinstance(lost, int) and lost:
            section.blocks.append(Note(f"{name}: {text['completion_lost']}: {number(lost)}", "bad"))
    rows = tuple(
        (text.get(key) or _spelled(key), *(values.get(name, "") for name in budgets))
        for key, values in lines.items()
    )
    section.blocks.append(Table("", (text["setting"], *budgets), rows))
    return section


def limits_of(budgets: Mapping[str, Mapping[str, Any]] | None) -> dict[str, float]:
    """Return the different `max_length` of the budgets, by what they are called in a chart."""
    limits = {}
    for name, budget in (budgets or {}).items():
        value = number_of(check_mapping(budget, f"budgets[{name!r}]"), "max_length", name)
        if value is not None:
            limits[f"max_length {number(value)}"] = value
    return limits


def _flat(budget: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """Yield every number and text of a budget; what is nested in one line; no lists, no histogram."""
    for key, value in budget.items():
        if key == "parts" and isinstance(value, Mapping):
            yield from _flat(value)
        elif isinstance(value, Mapping) and key != "histogram":
            parts = (f"{name.replace('_', ' ')} {number(item)}" for name, item in value.items())
            yield f"{key}_parts", " · ".join(parts)
        elif isinstance(value, int | float | str):
            yield key, value


def _spelled(key: str) -> str:
    """Return the name of a setting that has no word of its own: "longest_row" is "Longest row"."""
    return key.removesuffix("_parts").replace("_", " ").capitalize()


def _whole_histogram(budget: Mapping[str, Any], where: str) -> Bins | None:
    """Return the histogram of whole rows in a budget, from it or from its `parts`."""
    for holder in (budget, mapping_of(budget, "parts", where)):
        if "histogram" in holder:
            value = mapping_of(holder, "histogram", where)
            return bins_of(mapping_of(value, "whole", where) if "whole" in value else value, where)
    return None
