"""Learning rate and weight decay of the dense parameters."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from peft import LoraConfig
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import LlamaForCausalLM, TrainerCallback

from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.training import TernarySFTTrainer
from bitsft.training.dense_parameters import (
    DenseParameterOptions,
    check_parameters_can_be_split,
    split_parameter_groups,
)
from tests.training.conftest import MakeTrainer

SPLIT = {"dense_learning_rate": 1e-4, "dense_weight_decay": 0.01, "weight_decay": 0.1}


def settings_by_name(trainer: TernarySFTTrainer) -> dict[str, tuple[float, float]]:
    """Initial learning rate and weight decay of each parameter."""
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    return {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in trainer.optimizer.param_groups
        for p in group["params"]
    }


@pytest.mark.parametrize("optim", ["adamw_torch", "adamw_bnb_8bit", "adafactor", "sgd"])
def test_each_parameter_has_the_settings_of_its_kind(make_trainer: MakeTrainer, optim: str) -> None:
    trainer = make_trainer(learning_rate=1e-3, optim=optim, **SPLIT)
    trainer.create_optimizer()
    settings = settings_by_name(trainer)
    ternary = {f"{name}.weight" for name in ternary_layers(trainer.model)}
    norms = {name for name in settings if "norm" in name}
    assert len(ternary) == 14 and len(norms) == 5
    assert set(settings) == {name for name, _ in trainer.model.named_parameters()}
    for name, values in settings.items():
        if name in ternary:
            assert values == (1e-3, 0.1), name
        elif name in norms:
            assert values == (1e-4, 0.0), name
        else:
            assert values == (1e-4, 0.01), name


def test_one_of_the_two_leaves_the_other_as_it_is(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(learning_rate=1e-3, dense_weight_decay=0.05)
    trainer.create_optimizer()
    settings = settings_by_name(trainer)
    assert settings["model.embed_tokens.weight"] == (1e-3, 0.05)
    assert settings["model.layers.0.mlp.up_proj.weight"] == (1e-3, 0.0)
    assert settings["model.norm.weight"] == (1e-3, 0.0)


def test_a_dense_rate_of_0_trains_the_ternary_weights_alone(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(dense_learning_rate=0.0, keep_latent_weights=True)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    ternary = {f"{name}.weight" for name in ternary_layers(trainer.model)}
    for name, parameter in trainer.model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in ternary), name


def test_the_schedule_scales_both_and_the_ternary_rate_is_logged(make_trainer: MakeTrainer) -> None:
    seen: list[list[float]] = []

    class Watch(TrainerCallback):
        def on_optimizer_step(self, args, state, control, optimizer=None, **kwargs):  # type: ignore[no-untyped-def]
            seen.append(sorted({group["lr"] for group in optimizer.param_groups}))

    trainer = make_trainer(
        learning_rate=4e-3,
        dense_learning_rate=4e-4,
        lr_scheduler_type="linear",
        trainer={"callbacks": [Watch()]},
    )
    trainer.train()
    assert seen == [pytest.approx([share * 4e-4, share * 4e-3]) for share in (1.0, 0.75, 0.5, 0.25)]
    logged = [e["learning_rate"] for e in trainer.state.log_history if "learning_rate" in e]
    assert logged == pytest.approx([4e-3, 3e-3, 2e-3, 1e-3])


def test_without_the_options_the_groups_are_trainers_own(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.create_optimizer()
    assert [len(g["params"]) for g in trainer.optimizer.param_groups] == [15, 5]


class Killed(Exception):
    pass


class KillAfter(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        if state.global_step == self.step:
            raise Killed


@pytest.mark.parametrize("optim", ["adamw_torch", "adamw_bnb_8bit"])
def test_a_killed_run_resumes_to_the_same_bits(
    make_trainer: MakeTrainer, tmp_path: Path, optim: str
) -> None:
    settings: dict[str, Any] = {
        "max_steps": 6,
        "save_strategy": "steps",
        "save_steps": 2,
        "optim": optim,
        "quantization_warmup_ratio": 0.8,
        "quantization_warmup_schedule": "cosine",
        "granularity": "row",
        **SPLIT,
    }

    def run(name: str, callbacks: list[TrainerCallback], resume: bool) -> TernarySFTTrainer:
        trainer = make_trainer(
            output_dir=str(tmp_path / name), trainer={"callbacks": callbacks}, **settings
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    expected = run("whole", [], False).model.state_dict()
    with pytest.raises(Killed):
        run("killed", [KillAfter(5)], False)
    for name, tensor in run("killed", [], True).model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_second_train_keeps_the_groups(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=1, **SPLIT)
    trainer.train()
    groups = [len(g["params"]) for g in trainer.optimizer.param_groups]
    trainer.train()
    assert [len(g["params"]) for g in trainer.optimizer.param_groups] == groups == [14, 1, 5]


def test_an_optimizer_made_outside_is_refused(make_trainer: MakeTrainer) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(ValueError, match="do not reach an optimizer that was made outside"):
        make_trainer(trainer={"optimizers": (optimizer, None)}, **SPLIT)


def test_adapters_are_refused(make_trainer: MakeTrainer) -> None:
    lora = LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    with pytest.raises(ValueError, match="here they are frozen .*those of the adapters"):
        make_trainer(trainer={"peft_config": lora}, **SPLIT)


def test_deepspeed_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="do not work with DeepSpeed"):
        check_parameters_can_be_split(make_trainer().model, optimizer_given=False, deepspeed=True)


@pytest.fixture
def one_process() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_sharded_parameters_are_told_apart(tiny_llama: LlamaForCausalLM) -> None:
    """FSDP2 exchanges parameters and classes; groups are made from what is there after it."""
    replace_linear_with_bitlinear(tiny_llama)
    for block in tiny_llama.model.layers:
        fully_shard(block, mesh=init_device_mesh("cpu", (1,)))
    optimizer = torch.optim.AdamW(tiny_llama.parameters(), lr=1e-3, weight_decay=0.1)
    options = DenseParameterOptions(dense_learning_rate=1e-4)
    names = [name for name, _ in tiny_llama.named_parameters()]
    split_parameter_groups(optimizer, tiny_llama, names, options)
    ternary = {id(layer.weight) for layer in ternary_layers(tiny_llama).values()}
    first, second = optimizer.param_groups
    assert {id(p) for p in first["params"]} == ternary and first["lr"] == 1e-3
    assert len(second["params"]) == len(names) - len(ternary) and second["lr"] == 1e-4


def test_an_optimizer_without_ordinary_groups_is_refused(make_trainer: MakeTrainer) -> None:
    class Dummy(torch.optim.SGD):
        def __init__(self, params: Any, **kwargs: Any) -> None:
            super().__init__([torch.nn.Parameter(torch.zeros(1))], lr=0.1)

    trainer = make_trainer(trainer={"optimizer_cls_and_kwargs": (Dummy, {})}, **SPLIT)
    with pytest.raises(ValueError, match="Dummy does not hold the model's parameters one by one"):
        trainer.create_optimizer()


def test_groups_that_are_a_copy_are_refused(make_trainer: MakeTrainer) -> None:
    class Several(torch.optim.SGD):
        """Stands for a pair of optimizers that shows the groups of both."""

        @property
        def param_groups(self) -> list[dict[str, Any]]:
            return list(self.__dict__["groups"])

        @param_groups.setter
        def param_groups(self, groups: list[dict[str, Any]]) -> None:
            self.__dict__["groups"] = groups

        def add_param_group(self, group: dict[str, Any]) -> None:
            self.__dict__["groups"].append({"lr": 0.1, **group})

    trainer = make_trainer(trainer={"optimizer_cls_and_kwargs": (Several, {"lr": 0.1})}, **SPLIT)
    with pytest.raises(ValueError, match="Several does not hold"):
        trainer.create_optimizer()
