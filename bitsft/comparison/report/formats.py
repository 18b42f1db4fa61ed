"""How the page writes intervals and names; values and metrics are written as everywhere (`comparison/words.py`)."""

from collections.abc import Mapping

from bitsft.comparison.changes import Changes
from bitsft.comparison.comparison import Comparison
from bitsft.comparison.table import Interval
from bitsft.comparison.words import shown, shown_change
from bitsft.evaluation.parts import ALL, HELD_OUT
from bitsft.metrics.score import Goal


def interval(ends: Interval | None, *beside: float, is_difference: bool = False) -> str:
    """Both ends of an interval, with as many decimals as the values beside it; "" where there is none."""
    if ends is None:
        return ""
    write = shown_change if is_difference else shown
    low, high = (write(end, *(beside or ends)) for end in ends)
    return f"{low} … {high}"


def direction(gain: float | None) -> str:
    """Whether a row got `"better"`, `"worse"`, stayed the `"same"`, or is not scored (`"none"`)."""
    if gain is None:
        return "none"
    return "better" if gain > 0 else "worse" if gain < 0 else "same"


def gain_of(base: float, tuned: float, goal: Goal) -> float:
    """By how much the second value is better."""
    return base - tuned if goal == "lower" else tuned - base


def short_names(base: str, tuned: str) -> tuple[str, str]:
    """The last parts of two models' names or paths, as long as they tell the two apart.

    Example:
        >>> short_names("models/base", "/runs/7/tuned/")
        ('base', 'tuned')
        >>> short_names("a/model", "b/model")
        ('a/model', 'b/model')
    """
    ours, theirs = base.rstrip("/").split("/"), tuned.rstrip("/").split("/")
    for parts in range(1, max(len(ours), len(theirs)) + 1):
        one, other = "/".join(ours[-parts:]), "/".join(theirs[-parts:])
        if one and other and one != other:
            return one, other
    return base, tuned


def slice_name(kind: str, name: str, text: Mapping[str, str]) -> str:
    """A slice's name in the page's language."""
    unit = " characters"
    if name.endswith(unit) and kind.endswith("length"):
        name = f"{name.removesuffix(unit).replace('-', '–')} {text['characters']}"
    return f"{text['slice ' + kind]}: {name}" if "slice " + kind in text else f"{kind}: {name}"


def rule_text(rule: str, text: Mapping[str, str]) -> str:
    """What counts as a regression, in the page's language."""
    start = "lost more than "
    if rule.startswith(start):
        return text["lost_more_than"].format(limit=rule.removeprefix(start))
    return text.get("rule " + rule, rule)


def part_name(key: str, text: Mapping[str, str]) -> str:
    """The name of a part of the rows."""
    return {ALL: text["all_rows"], HELD_OUT: text["held_out"]}.get(key, key)


def main_part(comparison: Comparison) -> str:
    """The part that the summary is of: all rows, or their task where they have only one with scores of its own."""
    rows = comparison.base.rows_of(ALL)
    others = [key for key in comparison.changes if key != ALL]
    return next((key for key in others if comparison.base.rows_of(key) == rows), ALL)


def changes_of_row(comparison: Comparison, place: int) -> Changes | None:
    """The changes that a row is judged by: its task's, where the task has some of its own, else those of all rows."""
    task = comparison.rows[place].base.task or ALL
    return comparison.changes.get(task, comparison.changes.get(ALL))


def parts_of(comparison: Comparison) -> dict[str, Changes]:
    """The changes of each part, without "all" where that is the same rows as a task."""
    leave_out = main_part(comparison) != ALL
    return {key: one for key, one in comparison.changes.items() if not (leave_out and key == ALL)}
