"""One training and its measures, in this process: a variant, a seed, a part -> a JSON-able result."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality.batches import task_batches, text_batches
from quality.data import Data
from quality.measure import completion_losses, task_scores, text_loss
from quality.sizes import Sizes
from quality.variants import Variant

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback


@dataclass(frozen=True)
class Job:
    """One run of the study.

    Attributes:
        part: `tasks` or `text`.
        seed: Of the order of the rows, and of random rounding.
        variant: What is trained.
        rate: Learning rate.
        base: Folder of the base.
        teacher: Folder of the same seed's full precision; None where it is not needed.
        model_folder: Where the trained model is to be left; None for nowhere.
        validation_only: Measure only the loss of the validation rows, to choose a rate.
    """

    part: str
    seed: int
    variant: Variant
    rate: float
    base: Path
    teacher: Path | None = None
    model_folder: Path | None = None
    validation_only: bool = False


def run(job: Job, data: Data, sizes: Sizes) -> dict[str, Any]:
    """Train and measure.

    Args:
        job: What to do.
        data: The study's.
        sizes: Of the study.

    Returns:
        `scores`, `signatures`, `seconds` and `cpu_seconds` (training, each measure), and what was trained.
    """
    from transformers import AutoTokenizer

    seconds: dict[str, float] = {}
    cpu_seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        started, started_cpu = time.perf_counter(), time.process_time()
        yield
        seconds[name] = round(time.perf_counter() - started, 2)
        cpu_seconds[name] = round(time.process_time() - started_cpu, 2)

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    start = job.teacher if job.variant.start == "teacher" else job.base
    with timed("train"):
        if job.variant.family == "rounded":
            model, trained = _rounded(start), {}
        else:
            model, trained = _trained(job, start, tokenizer, data, sizes)
    signatures: dict[str, str] = {}
    split = "validation" if job.validation_only else "test"
    if job.part == "text":
        with timed("losses"):
            scores = {"loss": text_loss(model, tokenizer, data["text"][split], sizes)}
    elif job.validation_only:
        with timed("losses"):
            scores = completion_losses(model, tokenizer, data[split], sizes)
    else:
        scores, signatures = task_scores(model, tokenizer, data, sizes, timed)
    if job.model_folder is not None:
        model.save_pretrained(job.model_folder)
        tokenizer.save_pretrained(job.model_folder)
    return {
        "part": job.part,
        "seed": job.seed,
        "variant": {**asdict(job.variant), "options": dict(job.variant.options)},
        "learning_rate": job.rate,
        **trained,
        "scores": {name: round(value, 5) for name, value in scores.items()},
        "signatures": signatures,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def _load(folder: Path | None) -> "PreTrainedModel":
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _rounded(start: Path | None) -> "PreTrainedModel":
    from bitsft import replace_linear_with_bitlinear

    return replace_linear_with_bitlinear(_load(start)).eval()


def _trained(
    job: Job, start: Path | None, tokenizer: "PreTrainedTokenizerBase", data: Data, sizes: Sizes
) -> tuple["PreTrainedModel", dict[str, Any]]:
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from bitsft import TernarySFTConfig, TernarySFTTrainer
    from bitsft.training.head_tiles import head_tiles_for

    steps = job.variant.steps * (sizes.task_steps if job.part == "tasks" else sizes.text_steps)
    if job.part == "tasks":
        rows, batches = task_batches(tokenizer, data["train"], sizes, steps, job.seed)
    else:
        rows, batches = text_batches(tokenizer, data["text"]["train"], sizes, steps, job.seed)

    class Batched(SFTTrainer):
        """The batches are given: rows of one length, as many as a step's tokens hold."""

        def get_train_dataloader(self) -> DataLoader:
            return DataLoader(
                self.train_dataset, batch_sampler=batches, collate_fn=self.data_collator
            )

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            with head_tiles_for(self.accelerator.device):  # full precision at its best, too
                return super().compute_loss(*args, **kwargs)

    class TernaryBatched(TernarySFTTrainer, Batched):
        """TernarySFTTrainer on the same batches."""

    times = _step_times()
    common: dict[str, Any] = {
        "max_steps": steps,
        "max_length": sizes.max_length,
        "learning_rate": job.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, steps // 10),
        "adam_beta2": 0.95,
        "seed": job.seed,
        "use_cpu": True,
        "bf16": True,
        "gradient_checkpointing": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    given: dict[str, Any] = {
        "train_dataset": Dataset.from_list(rows),
        "processing_class": tokenizer,
        "callbacks": [times],
    }
    with tempfile.TemporaryDirectory() as folder:
        if job.variant.family == "dense":
            trainer = Batched(_load(start), SFTConfig(folder, **common), **given)
        else:
            known = {f.name for f in fields(TernarySFTConfig)}
            wanted = job.variant.trainer_options(job.part, job.rate)
            options = {name: value for name, value in wanted.items() if name in known}
            if job.variant.teacher:
                given["teacher_model"] = _load(job.teacher)
            config = TernarySFTConfig(folder, run_record=False, **common | options)
            trainer = TernaryBatched(_load(start), config, **given)
        trainer.remove_callback(PrinterCallback)
        output = trainer.train()
    return trainer.model.eval(), {
        "steps": steps,
        "tokens": sum(len(rows[number]["input_ids"]) for batch in batches for number in batch),
        "train_loss": round(output.training_loss, 5),
        "step_seconds": times.median(),
    }


def _step_times() -> "TrainerCallback":
    import statistics

    from transformers import TrainerCallback

    class StepTimes(TrainerCallback):
        def __init__(self) -> None:
            self.times: list[float] = []

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self._start = time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.times.append(time.perf_counter() - self._start)

        def median(self) -> float:
            return round(statistics.median(self.times), 4)

    return StepTimes()
