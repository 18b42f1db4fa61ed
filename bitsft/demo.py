"""`bitsft demo`: a small ternary model learns Korean question answering from nothing.

No network, no GPU, under three minutes on two CPU cores. The rows ship with the package (data/demo); the
model starts from random weights, so what it knows afterwards it learned here. Three kinds of questions are
asked before and after, none of which is in the training rows:

- other wordings: facts that were taught, asked in other words;
- other documents: real ones that were never seen, to be answered from the text that is given;
- invented documents: the same for places that do not exist, whose documents say so.

One thread is used, so that the time does not depend on what else runs on the machine (docs/performance.md).

It is a demonstration of the whole path, not of a useful model.
"""

import math
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging

from bitsft.data import format_koalpaca, format_raft, format_rows
from bitsft.data.demo import load_demo_rows
from bitsft.metrics import bleu, char_f1, exact_match, generate_completions, rouge
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import ternary_stats
from bitsft.training import TernarySFTConfig, TernarySFTTrainer

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


def run_demo(output_dir: Path, *, steps: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Train, ask before and after, print, and save the packed model.

    Args:
        output_dir: Where the packed model goes; made when it is not there.
        steps: Optimizer steps; default `STEPS`.
        seed: Of the random weights and of the order of the rows.

    Returns:
        `{"before": …, "after": …}`, each by kind of question the scores by name.

    Raises:
        ValueError: `steps` is below 1.
    """
    steps = STEPS if steps is None else steps
    if steps < 1:
        raise ValueError(f"--steps is {steps}; train for at least 1 step.")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(output_dir, steps, seed)
    finally:
        torch.set_num_threads(threads)


def _run(output_dir: Path, steps: int, seed: int) -> dict[str, Any]:
    disable_progress_bars()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

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

    with warnings.catch_warnings():
        # TRL still sets the old name of an option by default, and transformers says so at every run.
        warnings.filterwarnings("ignore", message="`gradient_checkpointing` is deprecated")
        trainer = _trainer(model, tokenizer, train, output_dir, steps, seed)
    before = _ask(trainer.model, tokenizer, questions, "before")
    trainer.train()
    after = _ask(trainer.model, tokenizer, questions, "after")
    trainer.save_model()

    _print_scores(before, after)
    _print_samples(questions, before, after)
    _print_model(trainer.model, output_dir)
    return {"before": before.scores, "after": after.scores}


def _rows(*splits: str) -> Dataset:
    formatted: list[dict[str, Any]] = []
    for split in splits:
        # Short prompts: no instruction before the documents, and the final answer alone.
        raft = partial(format_raft, instruction="", with_cot=False)
        formatter = raft if split.endswith("raft") else format_koalpaca
        formatted.extend(format_rows(load_demo_rows(split), formatter, strict=True).dataset)
    return Dataset.from_list(formatted)


def _trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    output_dir: Path,
    steps: int,
    seed: int,
) -> TernarySFTTrainer:
    config = TernarySFTConfig(
        str(output_dir),
        max_steps=steps,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="linear",
        adam_beta2=0.95,
        warmup_steps=math.ceil(0.05 * steps),
        completion_only_loss=True,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=True,
        disable_tqdm=True,
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        seed=seed,
    )
    trainer = TernarySFTTrainer(
        model,
        config,
        train_dataset=train,
        processing_class=tokenizer,
        callbacks=[_Progress()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class _Progress(TrainerCallback):
    """One line: steps done, time left, loss, share of codes that flip."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar = tqdm(total=state.max_steps, desc="training", unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update(1)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        if "loss" in logs:
            self._bar.set_postfix_str(f"loss {logs['loss']:.2f}, flips {logs['flip_rate']:.2%}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.close()


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


def _print_scores(before: Answers, after: Answers) -> None:
    for kind, scores in before.scores.items():
        print(f"\n{kind}\n{'':16}{'before':>8}{'after':>8}")
        for name, value in scores.items():
            print(f"  {name:14}{value:8.3f}{after.scores[kind][name]:8.3f}")


def _print_samples(questions: dict[str, Dataset], before: Answers, after: Answers) -> None:
    """Five questions spread over both kinds, not picked by their score."""
    print("\nSample answers")
    flat = [(kind, i) for kind, rows in questions.items() for i in range(len(rows))]
    for kind, i in flat[len(flat) // (2 * SAMPLES) :: len(flat) // SAMPLES][:SAMPLES]:
        row = questions[kind][i]
        print(f"\n  [{kind}]\n  question  {_question(row['prompt'])}")
        print(f"  expected  {_shortened(row['completion'])}")
        print(f"  before    {_shortened(before.predictions[kind][i])}")
        print(f"  after     {_shortened(after.predictions[kind][i])}")


def _question(prompt: str) -> str:
    """The question's line of a RAFT or KoAlpaca prompt."""
    for line in prompt.splitlines():
        if line.startswith("### 질문:"):
            return line.removeprefix("### 질문:").strip()
    return _shortened(prompt)


def _shortened(text: str, length: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _print_model(model: PreTrainedModel, output_dir: Path) -> None:
    stats = ternary_stats(model)
    saved = sum(file.stat().st_size for file in output_dir.glob("*.safetensors"))
    print(f"\n{stats}.")
    print(
        f"Saved in {output_dir}: the ternary layers take {stats.weights / 4 / 1e6:.2f} MB, against "
        f"{stats.weights * 2 / 1e6:.2f} MB in bf16; the whole model, with its float32 embeddings, "
        f"{saved / 1e6:.2f} MB, against {model.num_parameters() * 2 / 1e6:.2f} MB in bf16."
    )
    print("Load it anywhere, without bitsft:\n")
    print(f'    AutoModelForCausalLM.from_pretrained("{output_dir}")')
