"""The labels of classified rows, and how likely the model finds each of them, question by question.

The end after a label is measured, too, where one label begins another ("1", "10"): else the shorter one could
only win. `bitsft.metrics.label_likelihoods` says how the rest is measured.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bitsft.evaluation.questions import Question
from bitsft.evaluation.rows import EvalData
from bitsft.metrics.labels import LabelReader, label_key

if TYPE_CHECKING:
    from bitsft.evaluation.models import LoadedModel

TASK = "classification"


def labels_of(data: EvalData, labels: Sequence[str] | None = None) -> tuple[str, ...] | None:
    """The labels to choose from.

    Args:
        data: What is evaluated on.
        labels: Those that the user names; None takes those of the rows, sorted, also of rows that a sample left out.

    Returns:
        The labels; None where no row is a classification.

    Raises:
        ValueError: When a row has a label that is not among `labels`, two of them are the same but for case, white
            space or Unicode form, or they are given and no row has any.
    """
    asked = [question for question in data.questions if question.task == TASK]
    if not asked:
        if labels is not None:
            raise ValueError(
                f"labels={list(labels)}: {data.name} has no classification rows. Leave them out, or name the task "
                "of the rows with --task (task=...)"
            )
        return None
    if labels is None:
        return data.labels
    if isinstance(labels, str):
        raise ValueError(f"labels={labels!r} is one text; give a list of labels")
    known = {label_key(label) for label in LabelReader(labels).labels}  # refuses what scores would
    for question in asked:
        if label_key(label_of(question)) not in known:
            raise ValueError(
                f"{question.where}: has the label {label_of(question)!r}, which is not among {', '.join(labels)}. "
                "Name it, too"
            )
    return tuple(labels)


def label_of(question: Question) -> str:
    """The right label of a classification row."""
    return str(question.source.get("label", question.row.reference))


def measures_end(labels: Sequence[str]) -> bool:
    """Whether the end after a label counts: only where one label begins another."""
    return any(a != b and b.startswith(a) for a in labels for b in labels)


def likelihoods_for(
    loaded: "LoadedModel", labels: Sequence[str] | None, batch_size: int
) -> Callable[[Sequence[Question]], list[dict[str, float]]]:
    """A function: questions -> for each the log-likelihood of each label, in nats; empty for other tasks.

    Args:
        loaded: The model.
        labels: The labels.
        batch_size: Sequences per forward pass.
    """
    from bitsft.metrics.label_likelihoods import label_likelihoods

    chosen = list(labels or ())

    def measure(questions: Sequence[Question]) -> list[dict[str, float]]:
        found: list[dict[str, float]] = [{} for _ in questions]
        places = [place for place, question in enumerate(questions) if question.task == TASK]
        if places and chosen:
            measured = label_likelihoods(
                loaded.model,
                loaded.tokenizer,
                [questions[place].row.prompt for place in places],
                chosen,
                eos=measures_end(chosen),
                batch_size=batch_size,
            )
            for place, likelihoods in zip(places, measured, strict=True):
                found[place] = likelihoods
        return found

    return measure
