"""An evaluation as a table for the terminal: what was evaluated, and each score with its 95 % interval."""

from bitsft.evaluation.evaluation import Evaluation, intervals
from bitsft.evaluation.parts import HELD_OUT
from bitsft.pages.columns import columns_of, padded

_DETAILS = ("_recall", "_precision")
_GOALS = {"higher": "higher is better", "lower": "lower is better", "none": ""}
_FEW_ROWS = 30


def evaluation_table(evaluation: Evaluation, *, details: bool = False) -> str:
    """The table.

    Args:
        evaluation: Answers and scores.
        details: Also show recall and precision of each ROUGE, BLEU's precisions above 1-grams, and the scores of
            each class.

    Returns:
        Lines without a line feed at the end.
    """
    lines = _head(evaluation)
    for key, scores in evaluation.scores.items():
        rows = len(evaluation.rows_of(key))
        unit = "rows"
        if key == HELD_OUT and evaluation.held_out is not None:
            rows, unit = len(evaluation.held_out.bytes), "texts"
        shown = {name: score for name, score in scores.items() if details or not _is_detail(name)}
        ends = intervals(shown)
        cells = [
            (name, _number(score.value), _interval(ends[name]), _GOALS[score.goal])
            for name, score in shown.items()
        ]
        lines += ["", f"{key} ({rows:,} {unit})"]
        widths = [max(map(columns_of, column)) for column in list(zip(*cells, strict=True))[:3]]
        for name, value, interval, goal in cells:
            line = f"  {padded(name, widths[0])}  {value:>{widths[1]}}  {interval:<{widths[2]}}  {goal}"
            lines.append(line.rstrip())
        if rows < _FEW_ROWS:
            lines.append(f"  fewer than {_FEW_ROWS} {unit}: the intervals are too narrow")
    return "\n".join(lines)


def _head(evaluation: Evaluation) -> list[str]:
    data, settings = evaluation.data, evaluation.settings
    known = [settings[name] for name in ("kind", "dtype", "device") if settings.get(name)]
    lines = [f"{evaluation.model}: {', '.join(known)}" if known else evaluation.model]
    said = f"{data.get('name')}: {data.get('rows', len(evaluation.answers)):,} rows"
    if data.get("split"):
        said += f" of the split {data['split']}"
    if data.get("sampled_from"):
        said += f", out of {data['sampled_from']:,}"
    if data.get("rows_rejected"):
        said += f"; {data['rows_rejected']:,} rejected"
    if data.get("too_long"):
        said += f"; {len(data['too_long']):,} left out, their prompts are too long"
    lines.append(said)
    if evaluation.answers:
        lines.append(f"decoding: {evaluation.decoding}")
    work = evaluation.generation
    if work.get("tokens"):
        lines.append(
            f"generation: {work['tokens']:,} tokens in {work['seconds']:.1f} s, {work['tokens_per_second']:,.0f} "
            f"tokens/s, {work['padding_share']:.1%} of the prompts' places padding"
        )
    return lines


def _is_detail(name: str) -> bool:
    if name.startswith("bleu"):
        return name.endswith("_precision") and name != "bleu1_precision"
    return "[" in name or (name.startswith("rouge") and name.endswith(_DETAILS))


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _interval(ends: tuple[float | None, float | None]) -> str:
    low, high = ends
    return "" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"
