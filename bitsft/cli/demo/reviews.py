"""The demo's reviews: the shipped model, which reads Korean and knows no task, learns to tell 긍정 from 부정.

Film reviews of NSMC (bitsft.data.demo), none of which the model read before; 400 of them are held out. They are written
as bitsft writes classification rows, without an instruction: there is one task only, and short prompts train faster. The
answer is the more likely label after the prompt; nothing is generated. Before training the model always takes the label
of fewer tokens, so its accuracy is that of chance; three seeds reached 0.75 (docs/quickstart.md).
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bitsft.checkpoint import load_demo_model
from bitsft.cli.demo.shared import make_trainer, print_saved, print_scores, shortened
from bitsft.data import format_rows
from bitsft.data.demo import load_demo_rows
from bitsft.data.format import format_classification
from bitsft.metrics import classification_by_likelihood, confusion_matrix, label_likelihoods
from bitsft.metrics.classification import most_likely
from bitsft.ternary import ternary_layers
from bitsft.training import TernarySFTConfig

STEPS = 200
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
LABELS = ("부정", "긍정")
SAMPLES = 5


def run(output_dir: Path, steps: int, seed: int) -> dict[str, Any]:
    """Teach the shipped model the sentiment of reviews.

    Args:
        output_dir: Where the packed model goes.
        steps: Optimizer steps.
        seed: Of the order of the rows.

    Returns:
        `{"before": …, "after": …}`, each the scores by name.
    """
    model, tokenizer = load_demo_model()
    train = _formatted(load_demo_rows("train_classification"))
    reviews = load_demo_rows("other_classification")
    print(
        f"The model that ships with bitsft: {model.num_parameters() / 1e6:.1f} M parameters, ternary. It has read Korean, "
        f"and knows no task.\n{len(train)} film reviews to learn from, each with its label, 긍정 (positive) or 부정 "
        f"(negative); held out: {len(reviews)}.\n"
    )
    trainer = make_trainer(
        model,
        tokenizer,
        train,
        output_dir,
        max_steps=steps,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="cosine",
        warmup_steps=round(0.1 * steps),
        seed=seed,
        **_grouped_by_length(),
    )
    codes = _codes(trainer.model)
    before = _ask(trainer.model, tokenizer, reviews, "before")
    trainer.train()
    after = _ask(trainer.model, tokenizer, reviews, "after")
    trainer.save_model()

    labels = [row["label"] for row in reviews]
    scores = [_scores(answers, labels) for answers in (before, after)]
    print_scores(f"긍정 or 부정? {len(reviews)} reviews that training never showed", *scores)
    _print_confusion(most_likely(after), labels)
    _print_samples(reviews, before, after)
    flipped = sum(
        int((old != new).sum()) for old, new in zip(codes, _codes(trainer.model), strict=True)
    )
    share = flipped / sum(old.numel() for old in codes)
    print(f"\nTraining changed {share:.1%} of the codes.", end="")
    print_saved(trainer.model, output_dir)
    return {"before": scores[0], "after": scores[1]}


def _formatted(rows: list[dict[str, Any]]) -> Dataset:
    return format_rows(rows, partial(format_classification, instruction=""), strict=True).dataset


def _grouped_by_length() -> dict[str, Any]:
    """Batches of reviews of about one length: a third less to compute. transformers 5.2 renamed the option."""
    if "train_sampling_strategy" in {field.name for field in dataclasses.fields(TernarySFTConfig)}:
        return {"train_sampling_strategy": "group_by_length"}
    return {"group_by_length": True}


def _codes(model: PreTrainedModel) -> list[torch.Tensor]:
    """The codes of every ternary layer, int8."""
    with torch.no_grad():
        return [layer.ternary()[0].to(torch.int8) for layer in ternary_layers(model).values()]


def _ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    reviews: list[dict[str, Any]],
    when: str,
) -> list[dict[str, float]]:
    """For each review the log-likelihood of each label."""
    print(f"asking {when} training …", flush=True)
    prompts = _formatted(reviews)["prompt"]
    return label_likelihoods(model, tokenizer, prompts, LABELS, batch_size=64)


def _scores(answers: list[dict[str, float]], labels: list[str]) -> dict[str, float]:
    found = classification_by_likelihood(answers, labels)
    return {
        "accuracy": found["likelihood_accuracy"].value,
        "macro F1": found["likelihood_macro_f1"].value,
    }


def _print_confusion(answers: list[str], labels: list[str]) -> None:
    counts = confusion_matrix(answers, labels, LABELS).counts
    print("\nAfter training")
    for label, row in zip(LABELS, counts.tolist(), strict=True):
        said = ", ".join(
            f"{count} as {name}" for name, count in zip(LABELS, row[: len(LABELS)], strict=True)
        )
        print(f"  of {sum(row)} that are {label}: {said}")


def _print_samples(
    reviews: list[dict[str, Any]], before: list[dict[str, float]], after: list[dict[str, float]]
) -> None:
    """Reviews spread over all of them, not picked by their answers."""
    print("\nSample answers, and how sure the model is of them")
    for i in range(len(reviews) // (2 * SAMPLES), len(reviews), len(reviews) // SAMPLES):
        print(f"\n  review    {shortened(reviews[i]['text'])}\n  expected  {reviews[i]['label']}")
        print(f"  before    {_answer(before[i])}\n  after     {_answer(after[i])}")


def _answer(likelihoods: dict[str, float]) -> str:
    """The more likely label, and its probability among the labels."""
    nats = torch.tensor(list(likelihoods.values()), dtype=torch.float64)
    best = int(nats.argmax())
    return f"{list(likelihoods)[best]}, {float(nats.softmax(0)[best]):.0%}"
