"""The demo's questions: a small model learns Korean question answering from nothing.

The rows ship with the package (bitsft.data.demo); the model starts from random weights, so what it knows afterwards it
learned here. Three kinds of questions are asked before and after, none of which is in the training rows:

- other wordings: facts that were taught, asked in other words;
- other documents: real ones that were never seen, to be answered from the text that is given;
- invented documents: the same for places that do not exist, whose documents say so.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bitsft.cli.demo.shared import make_trainer, print_saved, print_scores, shortened
from bitsft.data import format_koalpaca, format_raft, format_rows
from bitsft.data.demo import load_demo_rows
from bitsft.metrics import bleu, char_f1, exact_match, generate_completions, rouge
from bitsft.scratch import new_llama, train_tokenizer

STEPS = 600
BATCH_SIZE = 16
LEARNING_RATE = 3e-3
VOCAB_SIZE = 1000
HIDDEN_SIZE = 128
LAYERS = 3
HEADS = 2
MAX_NEW_TOKENS = 40
SAMPLES = 5

QUESTIONS = {
    "other wordings of what was taught": ("other_wordings_raft", "other_wordings_koalpaca"),
    "other documents of the same kind": ("other_documents_raft",),
    "other documents, about invented places": ("other_invented_raft",),
}


@dataclass
class Answers:
    """One pass over the held-out questions: texts and scores by kind of question."""

    predictions: dict[str, list[str]]
    scores: dict[str, dict[str, float]]


def run(output_dir: Path, steps: int, seed: int) -> dict[str, Any]:
    """Teach a model with random weights answers to questions.

    Args:
        output_dir: Where the packed model goes.
        steps: Optimizer steps.
        seed: Of the random weights and of the order of the rows.

    Returns:
        `{"before": …, "after": …}`, each by kind of question the scores by name.
    """
    train = _rows("train_raft", "train_koalpaca")
    questions = {kind: _rows(*splits) for kind, splits in QUESTIONS.items()}
    tokenizer = train_tokenizer((row["prompt"] + row["completion"] for row in train), VOCAB_SIZE)
    model = new_llama(
        tokenizer,
        hidden_size=HIDDEN_SIZE,
        layers=LAYERS,
        heads=HEADS,
        initializer_range=HIDDEN_SIZE**-0.5,
        mimetic_attention=True,
        seed=seed,
    )
    counts = ", ".join(f"{len(rows)} questions on {kind}" for kind, rows in questions.items())
    print(
        f"A Llama with {model.num_parameters() / 1e6:.1f} M parameters, random weights. {len(train)} rows to "
        f"learn from; held out: {counts}.\n"
    )

    trainer = make_trainer(
        model,
        tokenizer,
        train,
        output_dir,
        max_steps=steps,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="linear",
        adam_beta2=0.95,
        warmup_steps=round(0.05 * steps),
        seed=seed,
    )
    before = _ask(trainer.model, tokenizer, questions, "before")
    trainer.train()
    after = _ask(trainer.model, tokenizer, questions, "after")
    trainer.save_model()

    for kind, scores in before.scores.items():
        print_scores(kind, scores, after.scores[kind])
    _print_samples(questions, before, after)
    print_saved(trainer.model, output_dir)
    return {"before": before.scores, "after": after.scores}


def _rows(*splits: str) -> Dataset:
    formatted: list[dict[str, Any]] = []
    for split in splits:
        # Short prompts: no instruction before the documents, and the final answer alone.
        raft = partial(format_raft, instruction="", with_cot=False)
        formatter = raft if split.endswith("raft") else format_koalpaca
        formatted.extend(format_rows(load_demo_rows(split), formatter, strict=True).dataset)
    return Dataset.from_list(formatted)


def _ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: dict[str, Dataset],
    when: str,
) -> Answers:
    predictions: dict[str, list[str]] = {}
    scores: dict[str, dict[str, float]] = {}
    for kind, rows in tqdm(questions.items(), desc=f"asking {when} training", unit="set"):
        texts = generate_completions(
            model, tokenizer, rows["prompt"], max_new_tokens=MAX_NEW_TOKENS, batch_size=32
        )
        predictions[kind] = [text.strip() for text in texts]
        references = [text.strip() for text in rows["completion"]]
        found = {
            **exact_match(predictions[kind], references),
            **char_f1(predictions[kind], references),
            **rouge(predictions[kind], references),
            **bleu(predictions[kind], references),
        }
        scores[kind] = {name: score.value for name, score in found.items()}
    return Answers(predictions, scores)


def _print_samples(questions: dict[str, Dataset], before: Answers, after: Answers) -> None:
    """Five questions spread over both kinds, not picked by their score."""
    print("\nSample answers")
    flat = [(kind, i) for kind, rows in questions.items() for i in range(len(rows))]
    for kind, i in flat[len(flat) // (2 * SAMPLES) :: len(flat) // SAMPLES][:SAMPLES]:
        row = questions[kind][i]
        print(f"\n  [{kind}]\n  question  {_question(row['prompt'])}")
        print(f"  expected  {shortened(row['completion'])}")
        print(f"  before    {shortened(before.predictions[kind][i])}")
        print(f"  after     {shortened(after.predictions[kind][i])}")


def _question(prompt: str) -> str:
    """The question's line of a RAFT or KoAlpaca prompt."""
    for line in prompt.splitlines():
        if line.startswith("### 질문:"):
            return line.removeprefix("### 질문:").strip()
    return shortened(prompt)
