"""The teacher's part in real training runs, against a plain computation on whole logits."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PromptTuningConfig
from torch import distributed, multiprocessing
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl.experimental.gkd import GKDTrainer

from bitsft.scratch import new_llama
from bitsft.training import TernarySFTConfig, TernarySFTTrainer
from bitsft.training.model_card import _taught
from tests.training.conftest import MakeTrainer, number_rows

TERMS = ("loss", "cross_entropy", "distillation")


def logs(trainer: TernarySFTTrainer) -> list[dict[str, float]]:
    return [
        {name: entry[name] for name in (*TERMS, "grad_norm")}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]


def plain_sums(
    student: Any, teacher: Any, batch: dict[str, torch.Tensor], temperature: float
) -> torch.Tensor:
    """CE and τ²·KL summed over the trained tokens, and their number, from whole logits."""
    names = ("input_ids", "attention_mask", "position_ids")
    inputs: dict[str, Any] = {name: batch[name] for name in names if name in batch}
    inputs["use_cache"] = False  # with a cache transformers takes a packed row for one document
    with torch.no_grad():
        z, z_teacher = (model(**inputs).logits[:, :-1] for model in (student, teacher))
    labels = batch["labels"][:, 1:]
    cross_entropy = torch.nn.functional.cross_entropy(
        z.flatten(0, 1), labels.flatten(), reduction="sum"
    )
    divergence = GKDTrainer.generalized_jsd_loss(
        z, z_teacher, labels, beta=0, temperature=temperature, reduction="sum"
    )
    return torch.stack([cross_entropy, temperature**2 * divergence, (labels != -100).sum()])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"packing": True, "max_length": 64},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
        {"distillation_weight": 1.0, "distillation_temperature": 1.0},
    ],
    ids=str,
)
def test_the_first_step_is_that_of_whole_logits(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM, options: dict[str, Any]
) -> None:
    trainer = make_trainer(trainer={"teacher_model": teacher}, max_steps=1, **options)
    temperature = options.get("distillation_temperature", 2.0)
    sums: list[torch.Tensor] = []
    original = trainer.compute_loss

    def watched(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        sums.append(plain_sums(trainer.model, teacher, inputs, temperature))
        return original(model, inputs, *args, **kwargs)

    trainer.compute_loss = watched  # type: ignore[method-assign]
    trainer.train()
    assert len(sums) == options.get("gradient_accumulation_steps", 1)
    total = torch.stack(sums).sum(0)
    cross_entropy, distillation = (total[:2] / total[2]).tolist()
    weight = options.get("distillation_weight", 0.9)
    found = logs(trainer)[0]
    assert found["cross_entropy"] == pytest.approx(cross_entropy, rel=1e-4)
    assert found["distillation"] == pytest.approx(distillation, rel=1e-3)
    expected = (1 - weight) * cross_entropy + weight * distillation
    assert found["loss"] == pytest.approx(expected, rel=1e-3)


def test_packed_rows_teach_what_single_rows_teach(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    rows = number_rows(4)
    whole = make_trainer(
        rows=rows, trainer={"teacher_model": teacher}, per_device_train_batch_size=4, max_steps=1
    )
    whole.train()
    packed = make_trainer(
        rows=rows,
        trainer={"teacher_model": teacher},
        per_device_train_batch_size=4,
        packing=True,
        max_length=256,
        max_steps=1,
    )
    packed.train()
    torch.testing.assert_close(logs(packed), logs(whole), rtol=1e-3, atol=1e-4)


def test_accumulation_equals_one_large_batch(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    found = []
    for size, parts in ((4, 1), (2, 2), (1, 4)):
        trainer = make_trainer(
            trainer={"teacher_model": teacher},
            per_device_train_batch_size=size,
            gradient_accumulation_steps=parts,
            max_steps=2,
        )
        trainer.train()
        found.append(logs(trainer))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[2], found[0], rtol=1e-3, atol=1e-4)


def test_logged_terms_cover_the_steps_of_the_loss(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    trainer = make_trainer(
        trainer={"teacher_model": teacher}, logging_steps=2, distillation_weight=0.25, max_steps=6
    )
    trainer.train()
    found = logs(trainer)
    assert len(found) == 3
    for entry in found:
        expected = 0.75 * entry["cross_entropy"] + 0.25 * entry["distillation"]
        assert entry["loss"] == pytest.approx(expected, rel=1e-3)


def test_a_try_that_ran_out_of_memory_is_not_in_the_log(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    trainer = make_trainer(
        trainer={"teacher_model": teacher},
        auto_find_batch_size=True,
        per_device_train_batch_size=4,
        max_steps=1,
    )
    original, calls = trainer.compute_loss, []

    def fails_once(*args: Any, **kwargs: Any) -> Any:
        loss = original(*args, **kwargs)
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("CUDA out of memory.")
        return loss

    trainer.compute_loss = fails_once  # type: ignore[method-assign]
    trainer.train()
    assert len(calls) == 2
    found = logs(trainer)[0]
    expected = 0.1 * found["cross_entropy"] + 0.9 * found["distillation"]
    assert found["loss"] == pytest.approx(expected, rel=1e-3)


def test_the_card_says_what_was_compared() -> None:
    plain = TernarySFTConfig("out", report_to="none")
    assert _taught("org/model", plain) == (
        "Distilled from `org/model`: 0.9 of the loss is the forward KL divergence from its distributions at "
        "temperature 2, on the trained tokens."
    )
    relations = TernarySFTConfig("out", report_to="none", attention_distillation_weight=0.5)
    assert _taught("org/model", relations).endswith(
        "on the trained tokens, and 0.5 times that of its attention relations is added."
    )
    cached = TernarySFTConfig("out", report_to="none", distillation_cache="cache")
    assert "divergence from the 64 likeliest words of its distributions" in _taught("m", cached)


def test_it_comes_closer_to_its_teacher(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    trainer = make_trainer(
        trainer={"teacher_model": teacher},
        distillation_weight=1.0,
        max_steps=16,
        per_device_train_batch_size=8,
    )
    trainer.train()
    found = logs(trainer)
    assert found[-1]["distillation"] < 0.7 * found[0]["distillation"]


def test_without_weight_it_is_plain_training(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    plain = make_trainer()
    plain.train()
    taught = make_trainer(trainer={"teacher_model": teacher}, distillation_weight=0.0)
    taught.train()
    weights = plain.model.state_dict()
    for name, weight in taught.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_evaluation_is_plain_cross_entropy(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    rows = {"eval_dataset": number_rows(4)}
    plain = make_trainer(trainer=rows).evaluate()
    taught = make_trainer(trainer={**rows, "teacher_model": teacher}).evaluate()
    assert taught["eval_loss"] == plain["eval_loss"]
    assert "eval_distillation" not in taught


@pytest.mark.parametrize(
    "options",
    [{"loss_type": "dft"}, {"label_smoothing_factor": 0.1}, {"bf16": True}],
    ids=str,
)
def test_what_stands_for_the_cross_entropy_has_its_share(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM, options: dict[str, Any]
) -> None:
    plain = make_trainer(max_steps=1, **options)
    plain.train()
    taught = make_trainer(max_steps=1, trainer={"teacher_model": teacher}, **options)
    taught.train()
    found, alone = logs(taught)[0], plain.state.log_history[0]["loss"]
    assert found["cross_entropy"] == pytest.approx(alone, rel=1e-4)
    expected = 0.1 * found["cross_entropy"] + 0.9 * found["distillation"]
    assert found["loss"] == pytest.approx(expected, rel=1e-3)


def test_a_batch_without_a_trained_token(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    trainer = make_trainer(trainer={"teacher_model": teacher})
    trainer.model.train()
    ids = torch.tensor([[5, 6, 7, 8]])
    nothing = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.full_like(ids, -100),
    }
    loss = trainer.compute_loss(trainer.model, nothing, num_items_in_batch=torch.tensor(0))
    loss.backward()
    assert loss.item() == 0
    grads = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    assert grads and all(grad.abs().max() == 0 for grad in grads)


class TestPeft:
    def test_adapters_learn_from_the_teacher(
        self, make_trainer: MakeTrainer, teacher: LlamaForCausalLM
    ) -> None:
        config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = make_trainer(
            trainer={"teacher_model": teacher, "peft_config": config},
            distillation_weight=1.0,
            max_steps=8,
            per_device_train_batch_size=8,
        )
        trainer.train()
        found = logs(trainer)
        assert found[-1]["distillation"] < found[0]["distillation"]

    def test_prompt_tuning_compares_the_tokens_and_not_the_prompt(
        self, make_trainer: MakeTrainer, teacher: LlamaForCausalLM
    ) -> None:
        config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
        trainer = make_trainer(
            trainer={"teacher_model": teacher, "peft_config": config},
            distillation_temperature=1.0,
            max_steps=1,
        )
        batch = next(iter(trainer.get_train_dataloader()))
        trainer.model.train()
        with trainer._distillation.watching_student() as states:
            trainer.model(**{k: v for k, v in batch.items() if k != "labels"})
        term = trainer._distillation.loss(states, batch)["distillation"]
        with torch.no_grad():
            z = trainer.model(**{k: v for k, v in batch.items() if k != "labels"}).logits[:, 4:-1]
            z_teacher = teacher(batch["input_ids"], batch["attention_mask"]).logits[:, :-1]
        labels = batch["labels"][:, 1:]
        total = GKDTrainer.generalized_jsd_loss(z, z_teacher, labels, beta=0, reduction="sum")
        assert term.item() == pytest.approx((total / (labels != -100).sum()).item(), rel=1e-3)
        trainer.train()
        assert logs(trainer)[0]["grad_norm"] > 0


def test_the_teacher_is_in_no_file_and_no_optimizer_and_does_not_change(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM, tmp_path: Path
) -> None:
    before = {name: one.clone() for name, one in teacher.state_dict().items()}
    plain = make_trainer(output_dir=str(tmp_path / "plain"), save_strategy="steps", save_steps=4)
    plain.train()
    plain.save_model()
    taught = make_trainer(
        output_dir=str(tmp_path / "taught"),
        save_strategy="steps",
        save_steps=4,
        trainer={"teacher_model": teacher},
    )
    taught.train()
    taught.save_model()
    assert all(torch.equal(one, before[name]) for name, one in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    mine = {id(p) for p in teacher.parameters()}
    assert not mine & {id(p) for g in taught.optimizer.param_groups for p in g["params"]}
    assert not mine & {id(p) for p in taught.model.parameters()}
    sizes = [
        {
            file.relative_to(tmp_path / name).as_posix(): file.stat().st_size
            for file in (tmp_path / name).rglob("*")
            if file.suffix in (".safetensors", ".pt", ".bin")
        }
        for name in ("plain", "taught")
    ]
    assert sizes[0].keys() == sizes[1].keys()
    for file, size in sizes[0].items():
        assert sizes[1][file] == pytest.approx(size, abs=200), file
    record = json.loads((tmp_path / "taught" / "run.json").read_text())
    assert record["settings"]["teacher"] == "LlamaForCausalLM"
    assert record["settings"]["training"]["distillation_weight"] == 0.9
    card = (tmp_path / "taught" / "README.md").read_text()
    assert "Distilled from `LlamaForCausalLM`: 0.9 of the loss is the forward KL" in card
    assert "Distilled" not in (tmp_path / "plain" / "README.md").read_text()
    assert pickle.loads(pickle.dumps(taught.args)).distillation_weight == 0.9


class Killed(Exception):
    pass


class KillAfter(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        if state.global_step == self.step:
            raise Killed


def test_a_killed_run_resumes_to_the_same_bits(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM, tmp_path: Path
) -> None:
    def run(name: str, callbacks: list[TrainerCallback], resume: bool) -> TernarySFTTrainer:
        trainer = make_trainer(
            output_dir=str(tmp_path / name),
            trainer={"callbacks": callbacks, "teacher_model": copy.deepcopy(teacher)},
            max_steps=6,
            save_strategy="steps",
            save_steps=2,
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    expected = run("whole", [], False)
    with pytest.raises(Killed):
        run("killed", [KillAfter(5)], False)
    resumed = run("killed", [], True)
    weights = expected.model.state_dict()
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    assert logs(resumed) == logs(expected)


class TestRefused:
    def test_the_student_as_teacher(
        self, make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
    ) -> None:
        with pytest.raises(ValueError, match="teacher_model is the model that is trained"):
            make_trainer(model=tiny_llama, trainer={"teacher_model": tiny_llama})

    def test_another_vocabulary(self, make_trainer: MakeTrainer, teacher: LlamaForCausalLM) -> None:
        teacher.resize_token_embeddings(teacher.config.vocab_size - 8)
        with pytest.raises(ValueError, match="vocabulary has"):
            make_trainer(trainer={"teacher_model": teacher})

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("distillation_cache", "cache"),
            ("attention_distillation_weight", 1.0),
            ("teacher_model_init_kwargs", {"dtype": "float32"}),
        ],
    )
    def test_what_needs_a_teacher_without_one(
        self, make_trainer: MakeTrainer, option: str, value: Any
    ) -> None:
        with pytest.raises(ValueError, match=f"^{option} set without a teacher_model"):
            make_trainer(**{option: value}).train()

    def test_a_compiled_student(self, make_trainer: MakeTrainer, teacher: LlamaForCausalLM) -> None:
        with pytest.raises(ValueError, match="teacher_model with torch_compile=True"):
            make_trainer(trainer={"teacher_model": teacher}, torch_compile=True)

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("distillation_weight", 1.5),
            ("distillation_weight", -0.1),
            ("distillation_temperature", 0.0),
            ("distillation_divergence", "sideways"),
        ],
    )
    def test_options_outside_their_range(self, option: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"{option} is {value!r}"):
            TernarySFTConfig("out", **{option: value})


def _process(rank: int, folder: str, tokenizer: PreTrainedTokenizerFast, teacher: Any) -> None:
    import os

    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=Path(folder, "port").read_text())
    torch.set_num_threads(1)
    # Made here: a model that was passed would lie in memory that both processes train.
    student = new_llama(tokenizer, hidden_size=32, layers=2, heads=4, max_length=256)
    trainer = TernarySFTTrainer(
        student,
        TernarySFTConfig(
            folder,
            max_steps=2,
            per_device_train_batch_size=2,
            learning_rate=5e-3,
            logging_steps=1,
            save_strategy="no",
            bf16=False,
            report_to="none",
            gradient_checkpointing=False,
            disable_tqdm=True,
            ddp_backend="gloo",
        ),
        train_dataset=number_rows(),
        processing_class=tokenizer,
        teacher_model=teacher,
    )
    trainer.train()
    assert trainer.accelerator.num_processes == 2
    if rank == 0:
        Path(folder, "logs.json").write_text(json.dumps(logs(trainer)))
    distributed.destroy_process_group()


def test_two_processes_equal_one_with_the_whole_batch(
    make_trainer: MakeTrainer,
    teacher: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    alone = make_trainer(
        trainer={"teacher_model": copy.deepcopy(teacher)},
        per_device_train_batch_size=4,
        max_steps=2,
    )
    alone.train()
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (tmp_path / "port").write_text(str(free.getsockname()[1]))
    start: Callable[..., Any] = multiprocessing.spawn
    start(_process, args=(str(tmp_path), tiny_tokenizer, teacher), nprocs=2)
    both = json.loads((tmp_path / "logs.json").read_text())
    torch.testing.assert_close(both, logs(alone), rtol=1e-3, atol=1e-3)


def test_labels_decide_which_tokens_are_taught(
    make_trainer: MakeTrainer, teacher: LlamaForCausalLM
) -> None:
    """A change of the teacher at an untrained position changes nothing."""
    rows = Dataset.from_list(
        [{"input_ids": [5, 6, 7, 8, 9], "labels": [-100, -100, -100, 8, -100]}]
    )
    trainer = make_trainer(rows=rows, trainer={"teacher_model": teacher}, max_steps=1)
    batch = next(iter(trainer.get_train_dataloader()))
    asked: list[torch.Tensor] = []
    original = trainer._distillation.teacher_signal

    def watched(inputs: Any, mask: torch.Tensor) -> Any:
        asked.append(mask)
        signal = original(inputs, mask)
        assert signal.hidden.shape[0] == int(mask.sum())
        return signal

    trainer._distillation.teacher_signal = watched  # type: ignore[method-assign]
    trainer.model.train()
    trainer.compute_loss(trainer.model, batch, num_items_in_batch=torch.tensor(1))
    assert asked[0].tolist() == [[False, False, True, False, False]]
