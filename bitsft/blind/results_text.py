"""Results as Markdown, for a model card or a terminal. Names are escaped: a `|` or `<` in them changes nothing."""

import re

from bitsft.blind.agreement import Agreement
from bitsft.blind.estimates import Estimate
from bitsft.blind.results import Results

_FEW_ROWS = 30
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|!~$&])")


def results_markdown(results: Results) -> str:
    """The results as tables and sentences.

    Args:
        results: What `results_of` returned.

    Returns:
        Markdown that ends with a line feed.
    """
    return "\n".join(
        [
            "# Blind comparison",
            "",
            f"- base: {_escaped(results.base)}",
            f"- tuned: {_escaped(results.tuned)}",
            f"- {results.rated_rows} of {results.rows} rows rated, {results.ratings} ratings by "
            f"{_people(len(results.raters))}",
            "",
            *_choices(results),
            "",
            *_criteria(results),
            "",
            *_raters(results),
            "",
            *_notes(results),
        ]
    )


def _choices(results: Results) -> list[str]:
    found = results.verdicts
    lines = [
        "| which answer is better | ratings | share |",
        "|---|---|---|",
    ]
    for verdict, said in (
        ("tuned", "tuned"),
        ("base", "base"),
        ("tie", "tie"),
        ("both_bad", "both bad"),
    ):
        lines.append(f"| {said} | {found[verdict]} | {found[verdict] / results.ratings:.1%} |")
    lines += [
        "",
        f"Win rate of tuned over base: **{_percent(results.win_rate)}** over {_rows(results.rated_rows)}; a tie and "
        '"both bad" count as half a win for each.',
    ]
    if results.p_value is None:
        lines.append("No row was decided for either model.")
    else:
        lines.append(
            f"Of {_rows(results.wins + results.losses)} that were decided, tuned won {results.wins} and lost "
            f"{results.losses}: {_percent(results.decided)}, sign test p = {results.p_value:.3g}."
        )
    return lines


def _criteria(results: Results) -> list[str]:
    lines = [
        "| 1 to 5 | base | tuned | tuned − base | agreement α |",
        "|---|---|---|---|---|",
    ]
    for name, one in results.criteria.items():
        lines.append(
            f"| {name} | {_number(one.base)} | {_number(one.tuned)} | {_number(one.difference, sign='+')} | "
            f"{_alpha(one.agreement)} |"
        )
    choices = results.choices
    said = f"Krippendorff's alpha of the choices: {_alpha(choices)}"
    if choices.alpha is None:
        said = f"Krippendorff's alpha is not defined for the choices: {choices.reason}"
    if choices.equal is not None:
        said += f"; {choices.equal:.1%} of the pairs of ratings of one row are equal ({_rows(choices.units)})"
    return [*lines, "", f"{said}."]


def _raters(results: Results) -> list[str]:
    lines = [
        "| rater | rated | tuned | base | tie | both bad | left chosen | sided on equal answers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rater in results.raters:
        found = rater.verdicts
        lines.append(
            f"| {_escaped(rater.name)} | {rater.rated} | {found['tuned']} | {found['base']} | {found['tie']} | "
            f"{found['both_bad']} | {_percent(rater.left)} | {rater.sided_on_equal} of {rater.equal} |"
        )
    return lines


def _notes(results: Results) -> list[str]:
    lines = [
        "Brackets hold 95 % intervals: of means by bootstrap over rows, of shares by Wilson's formula.",
        f"Where a side was chosen, it was the left one in {_percent(results.left)} of the ratings.",
    ]
    left = results.left
    if left.low is not None and left.high is not None and not left.low <= 0.5 <= left.high:
        lines.append(
            "Raters prefer one side. Each model is on the left in half of a rater's rows, so this favours neither "
            "where all rows are rated, but it hides differences."
        )
    if results.rated_rows < _FEW_ROWS:
        lines.append(
            f"Fewer than {_FEW_ROWS} rows: the intervals of the means are too narrow. Rate more rows."
        )
    return [*lines, ""]


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    said = f"{estimate.value:.1%}"
    if estimate.low is None or estimate.high is None:
        return said
    return f"{said} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _number(estimate: Estimate, sign: str = "") -> str:
    if estimate.value is None:
        return "–"
    said = f"{estimate.value:{sign}.2f}"
    if estimate.low is None or estimate.high is None:
        return said
    return f"{said} [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]"


def _alpha(found: Agreement) -> str:
    return f"– ({found.reason})" if found.alpha is None else f"{found.alpha:.3f}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
