"""The evaluations of a training as scores: the last value of each metric, the one before, the best.

Trainer names metrics `eval_rouge1`, of several datasets `eval_NAME_rouge1`; the record has them by task, which
is "all" where there is one dataset, and the dataset's name where there are several; what TRL names without the
dataset (`eval_entropy`) belongs to the dataset whose evaluation it is in. Metrics of another prefix
(`trainer.evaluate(..., metric_key_prefix="test")`) have that prefix as their task.

`before` is the first value that was measured at step 0, so it is there when the trainer evaluated before
`train()` (or with `eval_on_start`). `best` needs to know which direction is better (`goal`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bitsft.runs.compare import as_number

_NOT_SCORES = ("_runtime", "_per_second", "_num_tokens", "_model_preparation_time")
_LOWER = (
    *("loss", "perplexity", "bits_per", "repetition", "seq_rep", "loops", "blank"),
    *("no_label", "distractor_quoted", "quote_nowhere"),
)
_NEITHER = ("entropy", "generated_tokens", "length", "answer_chars", "answer_tokens")


def evaluation_scores(
    evaluations: Sequence[Mapping[str, Any]],
    dataset_names: Sequence[str] = (),
    signatures: Mapping[str, str] | None = None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Sum up the evaluations of a training.

    Args:
        evaluations: `{"step", "metrics"}` in their order.
        dataset_names: Where the trainer evaluates on several datasets.
        signatures: Of generated scores, by metric.

    Returns:
        Task -> metric -> `value`, `step`, and where known `before`, `best`, `best_step`, `signature`, `goal`.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for evaluation in evaluations:
        step = evaluation["step"]
        dataset = _dataset_of(evaluation["metrics"], dataset_names)
        for key, value in evaluation["metrics"].items():
            if key == "epoch" or key.endswith(_NOT_SCORES) or as_number(value) is None:
                continue
            task, metric = _task_and_metric(key, dataset)
            score = found.setdefault(task, {}).setdefault(metric, {})
            if step == 0:
                score.setdefault("before", value)
            score.update(value=value, step=step)
            if metric in (signatures or {}):
                score["signature"] = (signatures or {})[metric]
            _keep_best(score, metric, value, step)
    for metrics in found.values():
        for score in metrics.values():
            if score["step"] == 0:  # nothing was measured after any step: no before and after
                score.pop("before", None)
    return found


def goal_of(metric: str) -> str:
    """Which direction is better: "higher", "lower" or "none"."""
    if any(part in metric for part in _LOWER):
        return "lower"
    return "none" if any(part in metric for part in _NEITHER) else "higher"


def _keep_best(score: dict[str, Any], metric: str, value: Any, step: int) -> None:
    score["goal"] = goal_of(metric)
    number, best = as_number(value), as_number(score.get("best"))
    if score["goal"] == "none" or number is None or number != number:
        return
    better = best is None or (number < best if score["goal"] == "lower" else number > best)
    if better:
        score.update(best=value, best_step=step)


def _dataset_of(metrics: Mapping[str, Any], dataset_names: Sequence[str]) -> str | None:
    for name in sorted(dataset_names, key=len, reverse=True):
        if any(key.startswith(f"eval_{name}_") for key in metrics):
            return name
    return None


def _task_and_metric(key: str, dataset: str | None) -> tuple[str, str]:
    prefix, _, metric = key.partition("_")
    if not metric:
        return "all", key
    if prefix != "eval":
        return prefix, metric
    return ("all", metric) if dataset is None else (dataset, metric.removeprefix(f"{dataset}_"))
