"""What `TernarySFTTrainer` evaluates: the ternary model, and generated answers beside the loss.

evaluate          remembers the rows as they were given; tokenized ones no longer say where the answer begins
evaluation_loop   the weights that the final model will have; a `GenerationMetricsCallback`'s scores join the metrics,
                  so that best-model selection and early stopping can go by them
"""

from typing import Any

from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from bitsft.metrics.callback import GenerationMetricsCallback
from bitsft.ternary.held_codes import hold_codes
from bitsft.training.projection import Projection


class ScoredEvaluation(SFTTrainer):
    """The evaluating half of `TernarySFTTrainer`, which sets the attributes named here."""

    _projection: Projection
    _raw_eval_dataset: Any
    _rows_to_score: Any = None

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """As in TRL, with the scores of generated answers where a `GenerationMetricsCallback` is used."""
        if isinstance(eval_dataset, dict):
            metrics: dict[str, float] = {}
            for name, dataset in eval_dataset.items():
                metrics.update(self.evaluate(dataset, ignore_keys, f"{metric_key_prefix}_{name}"))
            return metrics
        rows = self._raw_eval_dataset if eval_dataset is None else eval_dataset
        self._rows_to_score = self._raw_eval_datasets()[rows] if isinstance(rows, str) else rows
        try:
            return super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        finally:
            self._rows_to_score = None

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        self._projection.drop_codes()
        final_weights = self._projection.stabilisers.final_weights()
        with final_weights, hold_codes(self.model), self.accelerator.autocast():
            output = super().evaluation_loop(*args, **kwargs)
            if self._rows_to_score is not None:
                prefix = kwargs.get("metric_key_prefix", "eval")
                for callback in self._generation_callbacks():
                    output.metrics.update(callback.score(self, self._rows_to_score, prefix))
        return output

    def _check_rows_to_score(self) -> None:
        """Rows without an answer, or prompts that are too long, should not wait for the first evaluation."""
        if self.args.eval_strategy != "no":
            for callback in self._generation_callbacks():
                for rows in self._raw_eval_datasets().values():
                    callback.check(self, rows)

    def _score_signatures(self) -> dict[str, str]:
        """How the last scores were computed, by metric; for the run's record."""
        return {k: s for c in self._generation_callbacks() for k, s in c.signatures.items()}

    def _generation_callbacks(self) -> list[GenerationMetricsCallback]:
        callbacks = self.callback_handler.callbacks
        return [c for c in callbacks if isinstance(c, GenerationMetricsCallback)]

    def _raw_eval_datasets(self) -> dict[str, Any]:
        raw = self._raw_eval_dataset
        if raw is None:
            return {}
        return raw if isinstance(raw, dict) else {"eval": raw}
