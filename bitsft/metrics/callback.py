"""Generation metrics at every evaluation: one generation pass, any number of metrics.

Trainer callbacks never see the trainer and run after the metrics were logged, so `on_evaluate`
alone could not reach trackers or best-model selection. `TernarySFTTrainer` therefore calls `score`
from its `evaluation_loop` and merges what comes back; any other trainer can do the same:

    def evaluation_loop(self, *args, metric_key_prefix="eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        output.metrics.update(callback.score(self, raw_rows, metric_key_prefix))
        return output

With several processes each generates for its share of the rows (all shares equally many, so that
sharded models stay in step), the texts are gathered, the main process scores them, and every
process gets the same numbers. Not for encoder-decoder models, processors of vision models, or FSDP
version 1.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.training_args import TrainingArguments

from bitsft.metrics.eval_rows import EvalRow, read_eval_rows
from bitsft.metrics.generation import (
    Completion,
    check_prompt_lengths,
    complete,
    decoding_signature,
    encode_prompt,
)
from bitsft.metrics.inference_state import inference_state
from bitsft.metrics.rouge_scores import rouge
from bitsft.metrics.sacrebleu_scores import bleu, chrf
from bitsft.metrics.score import Score

if TYPE_CHECKING:
    from trl import SFTTrainer

Metric = Callable[[Sequence[str], Sequence[str]], dict[str, Score]]

logger = logging.getLogger(__name__)


class GenerationMetricsCallback(TrainerCallback):
    """Generate answers to the evaluation set and score them, whenever the trainer evaluates.

    Args:
        metrics: Functions `(predictions, references) -> dict[str, Score]`; settings go in with
            `functools.partial`. None means ROUGE, BLEU and chrF with their defaults.
        max_new_tokens: Longest answer, in tokens.
        batch_size: Prompts per forward pass; None takes `args.per_device_eval_batch_size`.
        num_rows: Use only the first rows of the evaluation set; None uses all.
        generation_kwargs: For `model.generate`; greedy decoding by default. Sampling starts from
            `args.seed` at every evaluation.
        output_file: Where the answers go as JSON lines. A path ending in `.jsonl` is appended to;
            any other is a folder that gets one `<prefix>-<step>.jsonl` per evaluation.

    Attributes:
        signatures: The last scores' signatures by name, and the decoding's under `"generation"`.
        predictions: The last answers: dicts with `prompt`, `reference` and `prediction`.

    Raises:
        ValueError: When `num_rows` is below 1 or `metrics` is empty.
        TypeError: When an item of `metrics` cannot be called.

    Example:
        >>> callback = GenerationMetricsCallback([rouge], max_new_tokens=64, num_rows=200)
        >>> trainer = TernarySFTTrainer(..., callbacks=[callback])  # logs eval_rouge1, ...
    """

    def __init__(
        self,
        metrics: Sequence[Metric] | None = None,
        *,
        max_new_tokens: int = 128,
        batch_size: int | None = None,
        num_rows: int | None = None,
        generation_kwargs: Mapping[str, Any] | None = None,
        output_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.metrics: tuple[Metric, ...] = (
            (rouge, bleu, chrf) if metrics is None else tuple(metrics)
        )
        if not self.metrics:
            raise ValueError("metrics is empty: name at least one, or leave it out for the default")
        for metric in self.metrics:
            if not callable(metric):
                raise TypeError(
                    f"metrics holds {metric!r}, which is not a function of predictions and "
                    "references: e.g. metrics=[bitsft.metrics.rouge]"
                )
        if num_rows is not None and num_rows < 1:
            raise ValueError(f"num_rows={num_rows}: it must be 1 or more, or None for all rows")
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.num_rows = num_rows
        self.generation_kwargs = dict(generation_kwargs or {})
        self.output_file = None if output_file is None else Path(output_file)
        self.signatures: dict[str, str] = {}
        self.predictions: list[dict[str, Any]] = []
        self._scored = False

    def check(self, trainer: "SFTTrainer", rows: Iterable[Mapping[str, Any]]) -> None:
        """Raise now what `score` would raise at the first evaluation because of the rows.

        Raises:
            ValueError: When a row has no prompt and answer, or its prompt is too long.
        """
        self._encode(trainer, rows)

    def score(
        self,
        trainer: "SFTTrainer",
        rows: Iterable[Mapping[str, Any]],
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Generate, score, and keep `predictions` and `signatures`. Call it on every process.

        Args:
            trainer: The trainer that evaluates; its `model`, `model_wrapped`, `accelerator`,
                `args`, `state`, `processing_class` and `chat_template` are read.
            rows: The raw evaluation set, see `bitsft.metrics.eval_rows`.
            metric_key_prefix: Put before every name, e.g. `"eval"`.

        Returns:
            `{f"{prefix}_{name}": value}` of all metrics, with `generated_tokens` (mean length of
            the answers) and `finished` (share of them that did not run into `max_new_tokens`).

        Raises:
            ValueError: When a row or prompt cannot be used, or two metrics return the same name.
        """
        from accelerate.utils import broadcast_object_list

        examples, encoded = self._encode(trainer, rows)
        completions = self._generate(trainer, encoded)
        predictions = [completion.text for completion in completions]
        references = [example.reference for example in examples]
        self.predictions = [
            {"prompt": example.prompt, "reference": example.reference, "prediction": text}
            for example, text in zip(examples, predictions, strict=True)
        ]

        shared: list[dict[str, Score]] = [{}]
        if trainer.accelerator.is_main_process:
            shared = [_score_all(self.metrics, predictions, references)]
            self._write(trainer.state.global_step, metric_key_prefix)
        scores = broadcast_object_list(shared)[0]
        decoding = decoding_signature(trainer.model, self.max_new_tokens, self.generation_kwargs)
        self._keep_signatures(scores, f"{decoding}|rows:{len(examples)}")

        values = {name: score.value for name, score in scores.items()}
        values["generated_tokens"] = sum(c.tokens for c in completions) / len(completions)
        values["finished"] = sum(c.finished for c in completions) / len(completions)
        self._scored = True
        return {f"{metric_key_prefix}_{name}": value for name, value in values.items()}

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Say so when the trainer evaluated without calling `score`."""
        if not self._scored:
            warnings.warn(
                "GenerationMetricsCallback generated nothing: this trainer does not call its "
                "score(). Use bitsft.TernarySFTTrainer, or call it in evaluation_loop "
                "(docs/metrics.md).",
                UserWarning,
                stacklevel=2,
            )

    def _encode(
        self, trainer: "SFTTrainer", rows: Iterable[Mapping[str, Any]]
    ) -> tuple[list[EvalRow], list[list[int]]]:
        tokenizer = trainer.processing_class
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            raise TypeError(
                f"processing_class is {type(tokenizer).__name__}; generation metrics need a text "
                "tokenizer: pass processing_class=processor.tokenizer to the trainer"
            )
        examples = read_eval_rows(rows, num_rows=self.num_rows, eos_token=tokenizer.eos_token)
        encoded = [
            encode_prompt(
                tokenizer,
                example.prompt,
                chat_template=trainer.chat_template,
                tools=example.tools,
                chat_template_kwargs=example.chat_template_kwargs,
            )
            for example in examples
        ]
        check_prompt_lengths(trainer.model, encoded, self.max_new_tokens)
        return examples, encoded

    def _generate(self, trainer: "SFTTrainer", encoded: list[list[int]]) -> list[Completion]:
        from accelerate.utils import gather_object
        from trl.models.utils import unwrap_model_for_generation

        accelerator = trainer.accelerator
        mine = share(encoded, accelerator.process_index, accelerator.num_processes)
        with (
            inference_state(trainer.model_wrapped),
            unwrap_model_for_generation(trainer.model_wrapped, accelerator) as model,
        ):
            completions = complete(
                model,
                trainer.processing_class,
                [encoded[row] for row in mine],
                max_new_tokens=self.max_new_tokens,
                batch_size=self.batch_size or trainer.args.per_device_eval_batch_size,
                seed=trainer.args.seed + accelerator.process_index,
                progress=accelerator.is_main_process and not trainer.args.disable_tqdm,
                **self.generation_kwargs,
            )
        by_row = dict(gather_object(list(zip(mine, completions, strict=True))))
        return [by_row[row] for row in range(len(encoded))]

    def _keep_signatures(self, scores: dict[str, Score], decoding: str) -> None:
        first_time = not self.signatures
        self.signatures = {name: score.signature for name, score in scores.items()}
        self.signatures["generation"] = decoding
        if first_time:
            for name, signature in self.signatures.items():
                logger.info("%s: %s", name, signature)

    def _write(self, step: int, prefix: str) -> None:
        if self.output_file is None:
            return
        if self.output_file.suffix == ".jsonl":
            path, mode = self.output_file, "a"
        else:
            path, mode = self.output_file / f"{prefix}-{step}.jsonl", "w"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            for row, record in enumerate(self.predictions):
                line = {"step": step, "split": prefix, "row": row, **record}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def share(encoded: Sequence[list[int]], rank: int, processes: int) -> list[int]:
    """The rows that process `rank` generates for: every n-th of them by falling length.

    All processes get equally many, so the last rows may be done twice: a process without a batch
    would leave the others waiting in a sharded model's forward pass.
    """
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]), reverse=True)
    missing = -len(order) % processes
    order += [order[-1]] * missing
    return order[rank::processes]


def _score_all(
    metrics: Sequence[Metric], predictions: list[str], references: list[str]
) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    for metric in metrics:
        for name, score in metric(predictions, references).items():
            if name in scores:
                raise ValueError(
                    f"two metrics return {name!r}: wrap one in a function that renames its key"
                )
            scores[name] = score
    return scores
