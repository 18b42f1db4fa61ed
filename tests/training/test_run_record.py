"""`run.json` of a training: what it holds, how it ends, and that it can be repeated from it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast, TrainerCallback

from bitsft.metrics import GenerationMetricsCallback, rouge
from bitsft.metrics.answer_shape import answer_shape
from bitsft.metrics.classification import classification
from bitsft.metrics.raft_scores import raft_scores
from bitsft.runs import RunRecord, list_runs, read_run, rows_hash
from bitsft.runs.sheet import as_text
from bitsft.scratch import new_llama
from bitsft.training import TernarySFTConfig, TernarySFTTrainer
from bitsft.training.diagnosis import DiagnosisCallback, LayerLimits
from bitsft.training.run_scores import evaluation_scores, goal_of

from .conftest import MakeTrainer, number_rows


class StopAt(TrainerCallback):
    def __init__(self, step: int, error: BaseException) -> None:
        self.step, self.error = step, error

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise self.error


def test_what_a_training_leaves(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    scores = GenerationMetricsCallback([rouge], max_new_tokens=2)
    trainer = make_trainer(
        trainer={"eval_dataset": number_rows(3), "callbacks": [scores]},
        hub_token="hf_abcdefghijklmnopqrst",
        run_name="첫 실험",
        seed=7,
    )
    before = trainer.evaluate()
    assert not (tmp_path / "run" / "run.json").exists(), "nothing was trained yet"
    trainer.train()
    after = trainer.evaluate()

    run = read_run(tmp_path / "run")
    assert (run.kind, run.name, run.status, run.seed) == ("train", "첫 실험", "finished", 7)
    assert run.started < (run.ended or "")
    train, evaluation = run.data[:2]
    assert (train["role"], train["rows"]) == ("train", 16)
    assert train["rows_sha256"] == rows_hash(number_rows(16))
    assert (evaluation["role"], evaluation["rows"]) == ("eval", 3)
    assert run.base_model["class"] == "LlamaForCausalLM"
    assert len(run.base_model["weights_sha256"]) == 64 and run.base_model["sampled"] is False
    assert run.settings["training"]["learning_rate"] == 5e-3
    assert run.settings["ternary"]["weights"] == 26_624
    assert run.settings["trainer"] == {"callbacks": ["GenerationMetricsCallback"]}
    assert {"learning_rate", "max_steps", "seed"} <= set(run.settings["changed"])
    assert "adam_beta1" not in run.settings["changed"]
    assert run.versions["torch"] == torch.__version__
    assert run.hardware["cores"] >= 1 and run.memory["peak_bytes"] > 50e6
    assert run.result["steps"] == 4 and 0 < run.result["flip_rate"] < 1
    assert run.result["last_loss"] == trainer.state.log_history[3]["loss"]
    assert run.time["samples_per_second"] > 0 and run.time["tokens_per_second"] > 0
    assert run.time["seconds"] >= run.time["train_seconds"] > 0
    loss = run.scores["all"]["loss"]
    assert (loss["before"], loss["value"]) == (before["eval_loss"], after["eval_loss"])
    assert (loss["goal"], loss["step"]) == ("lower", 4)
    assert run.scores["all"]["rouge1"]["signature"] == scores.signatures["rouge1"]
    assert run.result["decoding"] == scores.signatures["generation"]
    text = (tmp_path / "run" / "run.json").read_text("utf-8")
    assert "hf_abc" not in text and "hub_token" not in text and '"eos_token"' in text


def test_it_can_be_left_off(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(run_record=False, max_steps=1).train()
    assert not (tmp_path / "run" / "run.json").exists()


def test_only_the_main_process_writes(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TernarySFTConfig, "process_index", 1)
    make_trainer(max_steps=1).train()
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("너무 크다"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_how_it_ended(
    make_trainer: MakeTrainer, tmp_path: Path, error: BaseException, status: str
) -> None:
    trainer = make_trainer(trainer={"callbacks": [StopAt(2, error)]})
    with pytest.raises(type(error)):
        trainer.train()
    run = read_run(tmp_path / "run")
    assert run.status == run.sessions[0]["status"] == status
    assert run.result["steps"] == 2
    assert run.sessions[0]["error"].startswith(type(error).__name__)


def test_a_resumed_training_keeps_its_first_session(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    options = {"save_strategy": "steps", "save_steps": 2}
    first = make_trainer(trainer={"callbacks": [StopAt(3, KeyboardInterrupt())]}, **options)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    stopped = read_run(tmp_path / "run")
    make_trainer(learning_rate=1e-3, **options).train(resume_from_checkpoint=True)
    run = read_run(tmp_path / "run")
    assert (run.id, run.started, run.status) == (stopped.id, stopped.started, "finished")
    assert [s["status"] for s in run.sessions] == ["interrupted", "finished"]
    assert [s["from_step"] for s in run.sessions] == [0, 2]
    assert run.sessions[1]["differs"]["settings.training.learning_rate"] == [0.005, 0.001]
    assert run.settings["training"]["learning_rate"] == 0.005, "the first session's"
    assert run.time["seconds"] > run.sessions[1]["seconds"]
    assert len(list_runs(tmp_path)) == 1


def test_another_training_in_the_same_folder_keeps_the_first_record(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    make_trainer(max_steps=1).train()
    first = read_run(tmp_path / "run")
    make_trainer(max_steps=2).train()
    runs = list_runs(tmp_path)
    assert [run.result["steps"] for run in runs] == [1, 2]
    assert runs[0].id == first.id and (tmp_path / "run" / f"run.{first.id}.json").exists()


def test_the_same_trainer_again_goes_on_from_its_own_model(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer(max_steps=1)
    trainer.train()
    trainer.train()
    first, second = list_runs(tmp_path)
    assert second.parents == [{"role": "base model", "id": first.id, "name": "run"}]
    assert "weights_sha256" not in second.base_model and first.id in second.base_model["why"]


def test_the_parent_is_the_run_that_made_the_model(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer(max_steps=1, save_strategy="steps", save_steps=1)
    trainer.train()
    trainer.save_model()
    first = read_run(tmp_path / "run")
    for number, path in enumerate(("run", "run/checkpoint-1")):
        folder = tmp_path / f"next{number}"
        make_trainer(str(tmp_path / path), max_steps=1, output_dir=str(folder)).train()
        (parent,) = read_run(folder).parents
        assert (parent["id"], parent["name"]) == (first.id, "run")
        assert parent["folder"] == str(tmp_path / path)


def test_adapters_and_several_datasets(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    evaluation = {"short": number_rows(2), "long_ones": number_rows(4)}
    trainer = make_trainer(
        max_steps=1,
        eval_on_start=True,
        eval_strategy="steps",
        eval_steps=1,
        trainer={
            "eval_dataset": evaluation,
            "peft_config": LoraConfig(r=3, target_modules=["q_proj"]),
        },
    )
    trainer.train()
    run = read_run(tmp_path / "run")
    assert [(d["role"], d["rows"]) for d in run.data[:3]] == [
        ("train", 16),
        ("eval.short", 2),
        ("eval.long_ones", 4),
    ]
    assert run.settings["peft"]["r"] == 3
    assert set(run.scores) == {"short", "long_ones"}
    assert {"before", "value", "best"} <= run.scores["long_ones"]["loss"].keys()
    assert "entropy" in run.scores["short"], "TRL names it without the dataset"
    assert [e["step"] for e in run.result["evaluations"]] == [0, 0, 1, 1]


def test_what_the_diagnosis_found_is_kept_over_a_resume(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    def diagnosed(stop: int, **more: Any) -> tuple[DiagnosisCallback, TernarySFTTrainer]:
        diagnosis = DiagnosisCallback(layers=LayerLimits(frozen_steps=2))
        error = torch.OutOfMemoryError("CUDA out of memory")
        trainer = make_trainer(
            trainer={"callbacks": [diagnosis, StopAt(stop, error)]},
            learning_rate=1e-9,
            save_strategy="steps",
            save_steps=4,
            max_steps=8,
            **more,
        )
        return diagnosis, trainer

    diagnosis, trainer = diagnosed(5)
    with pytest.raises(torch.OutOfMemoryError):
        trainer.train()
    first = [one.as_dict() for one in diagnosis.findings]
    assert [one["kind"] for one in first] == ["frozen_layer", "out_of_memory"]
    assert read_run(tmp_path / "run").result["findings"] == first

    diagnosis, trainer = diagnosed(99)
    trainer.train(resume_from_checkpoint=True)
    later = [one.as_dict() for one in diagnosis.findings]
    run = read_run(tmp_path / "run")
    assert later and run.result["findings"] == [*first, *later]
    assert "  seen at step 5 " in as_text(run)
    assert "  out of memory: after step 5, with per_device_train_batch_size=2" in as_text(run)


def test_nothing_found_is_not_nothing_looked_for(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(trainer={"callbacks": [DiagnosisCallback()]}, max_steps=1).train()
    assert read_run(tmp_path / "run").result["findings"] == []
    make_trainer(max_steps=1).train()
    assert "findings" not in read_run(tmp_path / "run").result


def test_a_stream_is_named_and_not_read(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(rows=number_rows().to_iterable_dataset(), max_steps=1).train()
    assert read_run(tmp_path / "run").data[0]["why"] == "a stream, which was not read for its hash"


def test_a_full_disk_is_a_warning(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(record: RunRecord) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bitsft.runs.recorder.write_run", full)
    trainer = make_trainer(max_steps=1)
    with caplog.at_level(logging.WARNING, "bitsft"):
        trainer.train()
    assert trainer.state.global_step == 1
    assert "could not be written: [Errno 28] No space left on device" in caplog.text


def test_what_cannot_be_described_does_not_end_the_training(
    make_trainer: MakeTrainer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(dataset: Dataset) -> str:
        raise RuntimeError("bad block")

    monkeypatch.setattr("bitsft.runs.contents.rows_hash", broken)
    make_trainer(max_steps=1).train()
    run = read_run(tmp_path / "run")
    assert run.data[0]["why"] == "not described: RuntimeError: bad block"
    monkeypatch.setattr("bitsft.training.run_description.runs_behind", broken)
    with caplog.at_level(logging.WARNING, "bitsft"):
        make_trainer(max_steps=1, output_dir=str(tmp_path / "other")).train()
    assert "This run is not recorded: RuntimeError: bad block" in caplog.text
    assert not (tmp_path / "other" / "run.json").exists()


def test_it_is_running_from_the_first_step_on(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    seen: list[RunRecord] = []

    class Look(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seen.append(read_run(args.output_dir))

    make_trainer(max_steps=2, trainer={"callbacks": [Look()]}).train()
    assert [(run.status, run.ended) for run in seen] == [("running", None)] * 2
    assert seen[0].sessions[0]["max_steps"] == 2, "what a kill would leave"


def test_repeated_from_its_record_the_weights_are_the_same(
    make_trainer: MakeTrainer, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trainer = make_trainer(seed=11, warmup_steps=2, lr_scheduler_type="cosine", max_steps=5)
        trainer.train()
        trainer.save_model()
        run = read_run(tmp_path / "run")

        torch.manual_seed(99)  # nothing may hang on what ran before
        settings = {name: run.settings["training"][name] for name in run.settings["changed"]}
        settings["output_dir"] = str(tmp_path / "again")
        again = TernarySFTTrainer(
            new_llama(tiny_tokenizer, hidden_size=32, layers=2, heads=4, max_length=256),
            TernarySFTConfig(**json.loads(json.dumps(settings))),
            train_dataset=number_rows(),
            processing_class=tiny_tokenizer,
        )
        again.train()
        again.save_model()
    finally:
        torch.set_num_threads(threads)
    first = load_file(tmp_path / "run" / "model.safetensors")
    second = load_file(tmp_path / "again" / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    repeated = read_run(tmp_path / "again")
    assert repeated.base_model["weights_sha256"] == run.base_model["weights_sha256"]
    assert repeated.settings["tokenizer"] == run.settings["tokenizer"]


def test_scores_of_evaluations() -> None:
    evaluations = [
        {"step": 0, "metrics": {"eval_loss": 5.0, "eval_rouge1": 0.1, "epoch": 0}},
        {"step": 10, "metrics": {"eval_loss": 2.0, "eval_rouge1": 0.6, "eval_runtime": 3.0}},
        {"step": 20, "metrics": {"eval_loss": 3.0, "eval_rouge1": 0.5, "test_loss": "nan"}},
    ]
    found = evaluation_scores(evaluations, signatures={"rouge1": "tok:ko"})
    assert found["all"]["loss"] == {
        "before": 5.0,
        "value": 3.0,
        "step": 20,
        "goal": "lower",
        "best": 2.0,
        "best_step": 10,
    }
    assert found["all"]["rouge1"]["best"] == 0.6
    assert found["all"]["rouge1"]["signature"] == "tok:ko"
    assert found["test"] == {"loss": {"value": "nan", "step": 20, "goal": "lower"}}
    assert set(found["all"]) == {"loss", "rouge1"}


def test_only_one_evaluation_has_no_before() -> None:
    found = evaluation_scores([{"step": 0, "metrics": {"eval_loss": 5.0}}])
    assert "before" not in found["all"]["loss"]


def test_goals() -> None:
    assert goal_of("loss") == goal_of("bits_per_byte") == "lower"
    assert goal_of("rougeL_f") == "higher" and goal_of("generated_tokens") == "none"


def test_goals_are_those_of_the_metrics() -> None:
    row = {"question": "수도는?", "context": ["서울", "부산"], "answer": "서울"}
    scores = {
        **rouge(["가"], ["나"]),
        **answer_shape(["가"], ["나"]),
        **classification(["가", "나"], ["가", "나"]),
        **raft_scores(["서울"], [row]),
    }
    assert {name: goal_of(name) for name in scores} == {
        name: score.goal for name, score in scores.items()
    }
