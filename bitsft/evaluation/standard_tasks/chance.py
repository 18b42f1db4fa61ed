"""What uniform guessing gets in a task, where that follows from its rows.

Of a choice among k the accuracy is the mean of 1/k. Macro F1 is that of uniform guesses, from the shares of the
classes, where all rows have the same k.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_CHOICE_METRICS = ("acc", "acc_norm", "acc_bytes")
_MACRO_F1_TASKS = ("kobest_",)  # whose "f1" is the macro mean over classes


def guessed_scores(task: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What uniform guessing gets by metric.

    Args:
        task: The task's name.
        samples: Its rows, as lm_eval logs them.

    Returns:
        Metric to value; empty where the rows are no choices.
    """
    choices = [len(row["arguments"]) for row in samples]
    is_choice = all(
        isinstance(row["filtered_resps"][0], tuple | list) and len(row["arguments"]) > 1
        for row in samples
    )
    if not samples or not is_choice:
        return {}
    if "acc_mutual_info" in samples[0]["metrics"]:
        choices = [count // 2 for count in choices]  # each is asked without its context, too
    guessed = sum(1 / count for count in choices) / len(choices)
    chances = dict.fromkeys(_CHOICE_METRICS, guessed)
    golds = [row["target"] for row in samples]
    if len(set(choices)) == 1 and all(isinstance(gold, int | str) for gold in golds):
        f1 = guessed_macro_f1([str(gold) for gold in golds], choices[0])
        chances["macro_f1"] = f1
        if task.startswith(_MACRO_F1_TASKS):
            chances["f1"] = f1
    return chances


def guessed_macro_f1(golds: Sequence[str], choices: int) -> float:
    """The mean over classes of F1 = 2·(p/k) / (p + 1/k), for a class with the share p of the rows.

    Args:
        golds: The right class of each row.
        choices: k, the number of classes.
    """
    shares = [golds.count(gold) / len(golds) for gold in set(golds)]
    total = sum(2 * share / choices / (share + 1 / choices) for share in shares)
    return total / choices  # a class without rows scores 0, and is guessed all the same
