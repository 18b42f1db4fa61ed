"""State in checkpoints: a killed run ends with the same bits; what does not fit is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import LlamaForCausalLM

from bitsft.ternary import replace_linear_with_bitlinear
from bitsft.training import TernarySFTConfig, TernarySFTTrainer
from bitsft.training.stabilisers import check_stabilisers_fit

from ..conftest import MakeTrainer, number_rows
from ..test_invariants import KillAfter, Killed

ALL = {
    "dead_zone_strength": 0.5,
    "freeze_oscillating_ratio": 0.9,
    "latent_average_decay": 0.9,
}
MODES: dict[str, dict[str, Any]] = {
    "all": ALL,
    "all, bf16 and accumulation": {**ALL, "bf16": True, "gradient_accumulation_steps": 2},
    "all, before the phase": {**ALL, "freeze_oscillating_ratio": 0.4},
}


@pytest.mark.parametrize("mode", list(MODES))
def test_a_killed_run_resumes_to_the_same_bits(
    make_trainer: MakeTrainer, tmp_path: Path, mode: str
) -> None:
    settings = {
        "max_steps": 20,
        "learning_rate": 2e-2,
        "lr_scheduler_type": "constant",
        "save_strategy": "steps",
        "save_steps": 5,
        "eval_strategy": "steps",
        "eval_steps": 8,
        **MODES[mode],
    }

    def run(name: str, killed_after: int | None, resume: bool) -> TernarySFTTrainer:
        callbacks = [] if killed_after is None else [KillAfter(killed_after)]
        trainer = make_trainer(
            output_dir=str(tmp_path / name),
            trainer={"callbacks": callbacks, "eval_dataset": number_rows(2)},
            **settings,
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    whole = run("whole", None, False)
    with pytest.raises(Killed):
        run("killed", 13, False)
    resumed = run("killed", None, True)
    expected = whole.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    keys = ("frozen_share", "flip_rate", "eval_loss")
    logs = [
        [{k: e[k] for k in keys if k in e} for e in trainer.state.log_history if "step" in e]
        for trainer in (whole, resumed)
    ]
    assert logs[0] == logs[1]
    if "freeze_oscillating_ratio" in MODES[mode] and mode != "all, before the phase":
        assert any(entry.get("frozen_share", 0) > 0 for entry in logs[0])


def test_without_options_no_file_is_written(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer(save_strategy="steps", save_steps=4).train()
    assert not (tmp_path / "run" / "checkpoint-4" / "stabilisers.safetensors").exists()


def test_a_checkpoint_without_the_state_is_refused(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    make_trainer(save_strategy="steps", save_steps=2).train()
    again = make_trainer(latent_average_decay=0.9)
    with pytest.raises(
        ValueError, match=r"no stabilisers\.safetensors, which latent_average_decay"
    ):
        again.train(resume_from_checkpoint=True)
    make_trainer(save_strategy="steps", save_steps=2, freeze_oscillating_ratio=1.0).train()
    both = make_trainer(latent_average_decay=0.9, freeze_oscillating_ratio=1.0)
    with pytest.raises(ValueError, match=r"'model\.embed_tokens\.weight' is missing"):
        both.train(resume_from_checkpoint=True)


def test_a_second_run_of_the_same_trainer_starts_anew(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(**ALL)
    trainer.train()
    first = [e["frozen_share"] for e in trainer.state.log_history if "frozen_share" in e]
    trainer.train()
    assert first[0] == 0.0 == trainer.state.log_history[0]["frozen_share"]


@pytest.mark.parametrize("option", [{name: value} for name, value in ALL.items()], ids=str)
def test_a_frozen_base_is_refused(make_trainer: MakeTrainer, option: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))}: no ternary weight"):
        make_trainer(trainer={"peft_config": LoraConfig(target_modules=["q_proj"])}, **option)


@pytest.mark.parametrize(("name", "engine"), [("deepspeed", "DeepSpeed"), ("fsdp", "FSDP")])
def test_weights_in_partitions_are_refused(
    tiny_llama: LlamaForCausalLM, tmp_path: Path, name: str, engine: str
) -> None:
    model = replace_linear_with_bitlinear(tiny_llama)
    where = {"deepspeed": name == "deepspeed", "fsdp": name == "fsdp"}
    args = TernarySFTConfig(str(tmp_path), **ALL)
    with pytest.raises(
        ValueError, match=f"^freeze_oscillating_ratio and latent_average_decay cannot.*{engine}"
    ):
        check_stabilisers_fit(args, model, **where)
    check_stabilisers_fit(TernarySFTConfig(str(tmp_path), dead_zone_strength=0.1), model, **where)


def test_all_of_them_with_clipping_a_norm_bound_and_packing(make_trainer: MakeTrainer) -> None:
    rows = Dataset.from_list([{"text": "서울은 대한민국의 수도입니다."}] * 16)
    trainer = make_trainer(
        rows=rows,
        max_steps=8,
        latent_clip=2.0,
        max_grad_norm=0.5,
        packing=True,
        max_length=64,
        quantization_warmup_ratio=0.5,
        **ALL,
    )
    trainer.train()
    losses = [e["loss"] for e in trainer.state.log_history if "loss" in e]
    assert losses[-1] < losses[0]
