"""Read pytest's junit files and compare two runs of one suite, test by test.

A test has one of three outcomes: passed, failed (an error in a fixture counts) or skipped. The run
under test *regresses* on a test that it alone fails, and on a test that the reference run passed
and it did not: it skipped, or it is absent (a crashed process leaves tests out). Failures that both
show are listed too, with both messages: the second may hide something that the first does not.
"""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PASSED, FAILED, SKIPPED, ABSENT = "passed", "failed", "skipped", "absent"


@dataclass(frozen=True)
class Outcome:
    """What one test did: `passed`, `failed` or `skipped`, and the first line that says why."""

    outcome: str
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Difference:
    """A test on which the two runs are set side by side."""

    test: str
    stock: Outcome
    ours: Outcome


@dataclass(frozen=True)
class Comparison:
    """What two runs of one suite tell: see `compare_runs`."""

    regressions: list[Difference]
    fail_in_both: list[Difference]
    fail_in_stock_only: list[Difference]


def read_junit(path: Path, trainer: str) -> dict[str, Outcome]:
    """Read a junit file that was written with the plugin of this folder.

    Args:
        path: pytest's `--junitxml` file.
        trainer: The class that the run is meant to be of, as `module:Class`.

    Returns:
        The outcome of each test, by `Class::test[parameters]`, in the order of the file.

    Raises:
        ValueError: When a test was run on another class than `trainer`, or on none: the comparison
            would be vacuous.
    """
    outcomes: dict[str, Outcome] = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        properties = {p.get("name"): p.get("value") for p in case.iter("property")}
        outcome = read_outcome(case)
        if properties.get("trainer") != trainer:
            raise ValueError(
                f"{path}: {name} ran on {properties.get('trainer')!r}, not on {trainer!r} "
                f"({outcome.outcome}: {outcome.message!r}); was trl_suite_plugin loaded?"
            )
        # a test whose call and whose teardown both fail has two entries: keep the failure
        if name not in outcomes or outcome.outcome == FAILED:
            outcomes[name] = outcome
    return outcomes


def read_outcome(case: ElementTree.Element) -> Outcome:
    """The outcome of one `<testcase>` element."""
    seconds = float(case.get("time", "0"))
    for tag, outcome in (("failure", FAILED), ("error", FAILED), ("skipped", SKIPPED)):
        element = case.find(tag)
        if element is not None:
            lines = (element.get("message") or element.text or "").strip().splitlines()
            return Outcome(outcome, lines[0] if lines else "", seconds)
    return Outcome(PASSED, "", seconds)


def compare_runs(stock: dict[str, Outcome], ours: dict[str, Outcome]) -> Comparison:
    """Sort the tests by what the two runs make of them.

    Args:
        stock: The reference run, as `read_junit` gives it.
        ours: The run under test.

    Returns:
        The regressions (see the module's docstring; a test that only `ours` failed counts as well,
        whatever it was in `stock`), the tests that fail in both, and those that only `stock` fails.
    """
    absent = Outcome(ABSENT, "the test did not run")
    result = Comparison([], [], [])
    for test in [*stock, *(test for test in ours if test not in stock)]:
        both = Difference(test, stock.get(test, absent), ours.get(test, absent))
        if both.stock.outcome == FAILED:
            if both.ours.outcome == FAILED:
                result.fail_in_both.append(both)
            elif both.ours.outcome == PASSED:
                result.fail_in_stock_only.append(both)
        elif both.ours.outcome == FAILED or (
            both.stock.outcome == PASSED and both.ours.outcome != PASSED
        ):
            result.regressions.append(both)
    return result


def table(runs: dict[str, dict[str, Outcome]]) -> str:
    """One line for each run: passed, failed, skipped, seconds."""
    width = max(len(name) for name in runs)
    lines = [f"{'':{width}}  passed  failed  skipped  seconds"]
    for name, outcomes in runs.items():
        counts = Counter(outcome.outcome for outcome in outcomes.values())
        seconds = sum(outcome.seconds for outcome in outcomes.values())
        lines.append(
            f"{name:{width}}  {counts[PASSED]:6}  {counts[FAILED]:6}  {counts[SKIPPED]:7}"
            f"  {seconds:7.0f}"
        )
    return "\n".join(lines)


def skip_reasons(outcomes: dict[str, Outcome]) -> list[tuple[int, str]]:
    """How many tests were skipped for each reason, the most frequent first."""
    reasons = Counter(o.message for o in outcomes.values() if o.outcome == SKIPPED)
    return [(count, reason) for reason, count in reasons.most_common()]
