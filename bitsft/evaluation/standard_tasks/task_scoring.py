"""What the local task files of `write_task_files` call: rows in, scores of one row out.

lm-evaluation-harness scores Korean with whitespace tokens, or with metrics that it fetches from the Hub.
These functions put bitsft's own in their place. Texts: the means that lm_eval takes over rows are the values
that `rouge`, `char_f1` and `exact_match` return for all rows at once. Labels: the answer is the label of the
highest log-likelihood after the prompt (its tokens summed, no length normalization, no EOS), the first of equals.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

TEXT_METRICS = ("exact_match", "char_f1", "rouge1", "rouge2", "rougeL")


def read_task_rows(path: Path) -> "dict[str, Dataset]":
    """Read the JSONL file of a local task, as lm_eval's `custom_dataset` wants it.

    Raises:
        FileNotFoundError: When the file is not beside the task's YAML any more.
    """
    from datasets import Dataset

    if not path.is_file():
        raise FileNotFoundError(f"{path}: the task's rows are gone; write the task files again")
    lines = path.read_text("utf-8").split("\n")
    return {"test": Dataset.from_list([json.loads(line) for line in lines if line])}


def text_scores(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Score one generated answer.

    Args:
        doc: The row, with `completion`.
        results: The generated text, alone in a list.

    Returns:
        Each of `TEXT_METRICS`, from 0 to 1.
    """
    from bitsft.metrics import char_f1, exact_match, rouge

    answers, references = [results[0]], [doc["completion"]]
    scores = {
        **exact_match(answers, references),
        **char_f1(answers, references),
        **rouge(answers, references),
    }
    return {name: scores[name].value for name in TEXT_METRICS}


def label_scores(
    doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]
) -> dict[str, float | tuple[int, int]]:
    """Score one choice among labels.

    Args:
        doc: The row, with `gold`, the number of the right label.
        results: For each label its log-likelihood, and whether it is what greedy decoding gives.

    Returns:
        `acc`, 0 or 1, and for `macro_f1` the pair (right, chosen).
    """
    likelihoods = [likelihood for likelihood, _ in results]
    chosen = likelihoods.index(max(likelihoods))
    return {"acc": float(chosen == doc["gold"]), "macro_f1": (doc["gold"], chosen)}


def macro_f1(pairs: Sequence[tuple[int, int]]) -> float:
    """Mean over classes of F1 = 2·tp / (rows of the class + rows so called).

    Args:
        pairs: (right, chosen) of each row. Classes that occur on neither side do not count, as in scikit-learn.
    """
    golds, chosen = zip(*pairs, strict=True)
    classes = sorted({*golds, *chosen})
    hits = [sum(g == c == one for g, c in pairs) for one in classes]
    sizes = [golds.count(one) + chosen.count(one) for one in classes]
    return sum(2 * hit / size for hit, size in zip(hits, sizes, strict=True)) / len(classes)
