"""Evaluation sees the ternary model, and generated answers are scored with it."""

from pathlib import Path

import pytest
from datasets import Dataset
from transformers import EarlyStoppingCallback

from bitsft.metrics import GenerationMetricsCallback, Score, rouge

from .conftest import MakeTrainer, assert_on_the_grid, number_rows


class TestEvaluation:
    def test_evaluation_uses_ternary_weights_while_latents_train(
        self, make_trainer: MakeTrainer
    ) -> None:
        trainer = make_trainer(
            eval_strategy="steps", eval_steps=2, trainer={"eval_dataset": number_rows(4)}
        )
        trainer.train()
        last = [e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e][-1]
        assert trainer.evaluate()["eval_loss"] == pytest.approx(last, rel=1e-6)

    def test_mixed_precision_evaluates_alike_within_training_and_after(
        self, make_trainer: MakeTrainer
    ) -> None:
        trainer = make_trainer(
            bf16=True,
            eval_strategy="steps",
            eval_steps=4,
            trainer={"eval_dataset": number_rows(4)},
        )
        trainer.train()
        (within,) = [e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e]
        assert trainer.evaluate()["eval_loss"] == within
        trainer.train()  # a second call goes on in mixed precision

    def test_several_datasets_by_name(self, make_trainer: MakeTrainer) -> None:
        trainer = make_trainer(trainer={"eval_dataset": {"a": number_rows(2), "b": number_rows(4)}})
        metrics = trainer.evaluate()
        assert {"eval_a_loss", "eval_b_loss"} <= set(metrics)
        assert "test_c_loss" in trainer.evaluate({"c": number_rows(2)}, metric_key_prefix="test")

    def test_early_stopping_and_the_best_model(self, make_trainer: MakeTrainer) -> None:
        trainer = make_trainer(
            max_steps=20,
            learning_rate=0.5,  # far too much: the first evaluation stays the best
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="steps",
            save_steps=1,
            load_best_model_at_end=True,
            trainer={
                "eval_dataset": number_rows(4),
                "callbacks": [EarlyStoppingCallback(early_stopping_patience=2)],
            },
        )
        trainer.train()
        assert trainer.state.global_step < 20
        assert_on_the_grid(trainer.model)
        assert trainer.evaluate()["eval_loss"] == pytest.approx(trainer.state.best_metric, rel=1e-6)


class TestGenerationMetrics:
    def answers(self, scored: list[dict[str, object]]) -> GenerationMetricsCallback:
        def constant(predictions: list[str], references: list[str]) -> dict[str, Score]:
            scored.append({"predictions": predictions, "references": references})
            return {"constant": Score("constant", 0.25, "test")}

        return GenerationMetricsCallback([rouge, constant], max_new_tokens=4)

    def test_scores_reach_log_best_model_and_early_stopping(
        self, make_trainer: MakeTrainer
    ) -> None:
        scored: list[dict[str, object]] = []
        trainer = make_trainer(
            max_steps=8,
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="steps",
            save_steps=1,
            load_best_model_at_end=True,
            metric_for_best_model="eval_constant",
            greater_is_better=True,
            trainer={
                "eval_dataset": number_rows(3),
                "callbacks": [self.answers(scored), EarlyStoppingCallback(2)],
            },
        )
        trainer.train()
        assert trainer.state.global_step == 3, "the first is the best, then two without a gain"
        assert trainer.state.best_metric == 0.25
        logged = [e for e in trainer.state.log_history if "eval_rouge1" in e]
        assert len(logged) == len(scored) == 3
        assert scored[0]["references"] == [" 1", " 2", " 3"]

    def test_scores_reach_tensorboard(self, make_trainer: MakeTrainer, tmp_path: Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        trainer = make_trainer(
            report_to="tensorboard",
            max_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            trainer={"eval_dataset": number_rows(3), "callbacks": [self.answers([])]},
        )
        trainer.train()
        (events,) = tmp_path.rglob("events.out.tfevents*")
        accumulator = EventAccumulator(str(events)).Reload()
        assert accumulator.Scalars("eval/constant")[0].value == 0.25

    def test_several_datasets_are_scored_apart_also_when_packed(
        self, make_trainer: MakeTrainer
    ) -> None:
        trainer = make_trainer(
            packing=True,
            max_length=64,
            trainer={
                "eval_dataset": {"a": number_rows(2), "b": number_rows(3)},
                "callbacks": [self.answers([])],
            },
        )
        assert {"eval_a_rouge1", "eval_b_rouge1"} <= set(trainer.evaluate())
        assert "test_rouge1" in trainer.evaluate(number_rows(2), metric_key_prefix="test")

    def test_rows_that_cannot_be_scored_fail_before_training(
        self, make_trainer: MakeTrainer
    ) -> None:
        trainer = make_trainer(
            eval_strategy="steps",
            trainer={
                "eval_dataset": Dataset.from_list([{"text": "서울은 수도입니다."}]),
                "callbacks": [self.answers([])],
            },
        )
        with pytest.raises(ValueError, match="text"):
            trainer.train()
        assert trainer.state.global_step == 0
