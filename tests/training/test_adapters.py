"""Adapters over ternary bases in the trainer: what trains, what stays, what is saved, what is refused."""

import json
import re
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import peft
import pytest
import torch
from peft import LoraConfig, PeftConfig, PeftModel
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft import (
    GenerationMetricsCallback,
    load_adapter,
    load_ternary,
    replace_linear_with_bitlinear,
    rouge,
    save_ternary,
    ternary_base_identity,
)
from bitsft.scratch import new_llama
from bitsft.ternary import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158, layers_with_codes
from bitsft.ternary.packed_model import pack_model
from bitsft.training import TernarySFTTrainer

from .conftest import MakeTrainer, number_rows

T = "CAUSAL_LM"
IDS = torch.tensor([[5, 6, 7, 8, 9]])
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture
def base(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> Path:
    """A packed checkpoint with its tokenizer."""
    model = replace_linear_with_bitlinear(tiny_llama)
    save_ternary(model, tmp_path / "base", tokenizer=tiny_tokenizer)  # type: ignore[arg-type]
    return tmp_path / "base"


def lora(**options: Any) -> LoraConfig:
    return LoraConfig(**{"r": 4, "target_modules": "all-linear", "task_type": T, **options})


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits


def trained(
    make: MakeTrainer, base: Any, config: PeftConfig | None, **settings: Any
) -> TernarySFTTrainer:
    base = str(base) if isinstance(base, Path) else base
    trainer = make(model=base, trainer={"peft_config": config}, **settings)
    trainer.train()
    return trainer


CONFIGS: dict[str, PeftConfig] = {
    "lora": lora(lora_dropout=0.1),
    "dora": lora(use_dora=True),
    "rslora": lora(use_rslora=True),
    "some modules": lora(target_modules=["q_proj", "down_proj"]),
    "modules_to_save": lora(target_modules=["q_proj"], modules_to_save=["lm_head", "norm"]),
    "adalora": peft.AdaLoraConfig(target_modules=["q_proj"], total_step=10, task_type=T),
    "prompt": peft.PromptTuningConfig(num_virtual_tokens=4, task_type=T),
    "prefix": peft.PrefixTuningConfig(num_virtual_tokens=4, task_type=T),
}


def test_a_teacher_beside_a_packed_base(
    base: Path, make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    teacher = new_llama(tiny_tokenizer, hidden_size=64, layers=1, heads=4, max_length=256)
    options = {"peft_config": lora(), "teacher_model": teacher}
    trainer = make_trainer(model=str(base), trainer=options)
    before = ternary_base_identity(trainer.model)
    assert any(isinstance(module, PackedLinear158) for module in trainer.model.modules())
    trainer.train()
    assert all(entry["distillation"] > 0 for entry in trainer.state.log_history if "loss" in entry)
    moved = [p for name, p in trainer.model.named_parameters() if "lora_B" in name]
    assert moved and all(bool(p.any()) for p in moved)
    assert ternary_base_identity(trainer.model) == before


@pytest.mark.parametrize("kind", CONFIGS)
def test_trained_saved_and_loaded_in_one_call(
    kind: str, base: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    expected_base = ternary_base_identity(base)
    trainer = trained(make_trainer, base, CONFIGS[kind])
    packed = layers_with_codes(trainer.model)
    assert len(packed) == 14 and {type(m) for m in packed.values()} == {PackedLinear158}
    assert ternary_base_identity(trainer.model) == expected_base
    trainer.save_model(str(tmp_path / "adapter"))
    expected = logits(trainer.model)
    assert not torch.equal(expected, logits(load_ternary(base))), "the adapter does something"
    assert torch.equal(logits(load_adapter(None, tmp_path / "adapter")), expected)
    stock = PeftModel.from_pretrained(load_ternary(base, trainable=False), tmp_path / "adapter")
    assert torch.equal(logits(stock), expected)


@pytest.mark.parametrize("form", ["latent", "on the grid", "packed"])
def test_a_model_object_in_any_state(
    form: str, base: Path, make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    model: Any = (
        replace_linear_with_bitlinear(tiny_llama) if form == "latent" else load_ternary(base)
    )
    if form == "packed":
        pack_model(model)
    expected = ternary_base_identity(base)
    trainer = trained(make_trainer, model, lora(use_dora=True))
    assert ternary_base_identity(trainer.model) == expected
    for layer in ternary_layers(trainer.model).values():
        codes, scale = layer.ternary()
        assert torch.equal(layer.weight, codes * scale) and not layer.weight.requires_grad


def test_latent_and_packed_base_train_the_same_adapter(
    base: Path, make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    latent = trained(make_trainer, replace_linear_with_bitlinear(tiny_llama), lora(use_dora=True))
    packed = trained(make_trainer, base, lora(use_dora=True))
    one, other = (dict(t.model.named_parameters()) for t in (latent, packed))
    adapters = [name for name, p in one.items() if p.requires_grad]
    assert len(adapters) == 42
    for name in adapters:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-6)


def test_all_linear_means_the_ternary_layers(base: Path, make_trainer: MakeTrainer) -> None:
    given = lora()
    trainer = make_trainer(model=str(base), trainer={"peft_config": given})
    assert trainer.model.peft_config["default"].target_modules == set(ALL)
    assert given.target_modules == "all-linear", "the caller's config stays as it was"
    assert type(trainer.model.get_output_embeddings()) is torch.nn.Linear


def test_a_dense_layer_with_a_ternary_one_s_name_stays_out(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    replace_linear_with_bitlinear(tiny_llama, filter_fn=lambda _, name: "layers.0" in name)
    trainer = make_trainer(model=tiny_llama, trainer={"peft_config": lora()})
    targets = trainer.model.peft_config["default"].target_modules
    assert all("layers.0" in name for name in targets) and len(targets) == 7
    dense = trainer.model.base_model.model.model.layers[1].self_attn.q_proj
    assert type(dense) is torch.nn.Linear


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_checkpointing": True},
        {"gradient_accumulation_steps": 2},
        {"packing": True, "max_length": 64},
        {"bf16": True},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_with_the_trainer_s_options(
    settings: dict[str, Any], base: Path, make_trainer: MakeTrainer
) -> None:
    trainer = trained(make_trainer, base, lora(), max_steps=8, learning_rate=2e-2, **settings)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0]
    assert ternary_base_identity(trainer.model) == ternary_base_identity(base)


def test_prefix_tuning_turns_gradient_checkpointing_off(
    base: Path, make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = trained(make_trainer, base, CONFIGS["prefix"], gradient_checkpointing=True)
    assert trainer.args.gradient_checkpointing is False
    assert "prefix tuning does not work with it" in caplog.text


def test_resume_is_exact(base: Path, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}
    config = lora(lora_dropout=0.1)
    whole = trained(make_trainer, base, config, **settings)
    resumed = make_trainer(model=str(base), trainer={"peft_config": config}, **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert resumed.state.global_step == 4
    one, other = (dict(t.model.named_parameters()) for t in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_is_not_resumed_over_another_base(
    base: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trained(make_trainer, base, lora(), save_strategy="steps", save_steps=2)
    other = load_ternary(base)
    layer = ternary_layers(other)["model.layers.1.mlp.up_proj"]
    with torch.no_grad():
        layer.weight.neg_()
    trainer = make_trainer(model=other, trainer={"peft_config": lora()})
    with pytest.raises(ValueError, match="have other codes"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))


def test_evaluation_and_generated_answers(base: Path, make_trainer: MakeTrainer) -> None:
    scores = GenerationMetricsCallback([rouge], max_new_tokens=4)
    trainer = make_trainer(
        model=str(base),
        trainer={"peft_config": lora(), "eval_dataset": number_rows(4), "callbacks": [scores]},
        eval_strategy="steps",
        eval_steps=2,
    )
    trainer.train()
    found = [e for e in trainer.state.log_history if "eval_loss" in e]
    assert len(found) == 2 and all(any("rouge" in key for key in e) for e in found)


def test_what_lies_beside_an_adapter(base: Path, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = trained(make_trainer, base, lora(), save_strategy="steps", save_steps=4)
    trainer.save_model(str(tmp_path / "adapter"))
    for folder in (tmp_path / "adapter", tmp_path / "run" / "checkpoint-4"):
        record = json.loads((folder / "ternary_base.json").read_text())
        assert record["identity"] == ternary_base_identity(base)
        assert (record["model"], record["class"]) == (str(base), "LlamaForCausalLM")
        assert len(record["layers"]) == 14 and record["weights"] == 26_624


@pytest.mark.parametrize("strategy", ["every_save", "end"])
def test_the_folder_that_is_pushed_names_the_base(
    strategy: str, base: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    seen: list[set[str]] = []

    def upload_folder(*, folder_path: str, **_: Any) -> mock.MagicMock:
        seen.append({path.name for path in Path(folder_path).iterdir()})
        return mock.MagicMock()

    api = mock.MagicMock(upload_folder=upload_folder)
    names = ("hf_api", "upload_folder", "create_repo")
    stubs = {"hf_api": lambda: api, "upload_folder": upload_folder, "create_repo": mock.MagicMock()}
    with mock.patch.multiple(
        "transformers.trainer", create=True, **{name: stubs[name] for name in names}
    ):
        trainer = make_trainer(
            model=str(base),
            trainer={"peft_config": lora()},
            push_to_hub=True,
            hub_model_id="someone/adapter",
            hub_token="hf_none",
            hub_strategy=strategy,
            save_strategy="steps",
            save_steps=2,
            max_steps=2,
        )
        trainer.train()
        if strategy == "end":
            trainer.push_to_hub()
    assert seen and all({"ternary_base.json", "adapter_config.json"} <= names for names in seen)


def test_training_goes_on_from_a_loaded_adapter(
    base: Path, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trained(make_trainer, base, lora()).save_model(str(tmp_path / "adapter"))
    model = load_adapter(base, tmp_path / "adapter", is_trainable=True)
    before = logits(model)
    trainer = trained(make_trainer, model, None)
    assert not torch.equal(logits(trainer.model), before)
    trainer.save_model(str(tmp_path / "again"))
    assert torch.equal(logits(load_adapter(base, tmp_path / "again")), logits(trainer.model))


def test_a_full_precision_path_is_made_ternary_and_comes_back_so(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM, tmp_path: Path
) -> None:
    tiny_llama.save_pretrained(tmp_path / "dense")
    trainer = trained(make_trainer, tmp_path / "dense", lora(), granularity="row")
    trainer.save_model(str(tmp_path / "adapter"))
    again = load_adapter(None, tmp_path / "adapter")
    assert {m.granularity for m in layers_with_codes(again).values()} == {"row"}
    assert torch.equal(logits(again), logits(trainer.model))


MERGES = ("merge_and_unload", "merge_adapter")


@pytest.mark.parametrize("form", ["latent", "packed"])
@pytest.mark.parametrize("config", [lora(), lora(use_dora=True)], ids=["lora", "dora"])
def test_merging_raises_and_touches_nothing(
    config: LoraConfig, form: str, base: Path, make_trainer: MakeTrainer
) -> None:
    model: Any = load_ternary(base) if form == "latent" else str(base)
    trainer = trained(make_trainer, model, config)
    before = logits(trainer.model)
    ways = "keep the adapter.*merge_to_ternary.*TernaryLoraConfig"
    for name in MERGES:
        with pytest.raises(ValueError, match=ways):
            getattr(trainer.model, name)()
    layer = trainer.model.base_model.model.model.layers[0].mlp.up_proj
    for options in ({}, {"safe_merge": True}):
        with pytest.raises(ValueError, match=ways):
            layer.merge(**options)
    assert layer.merged is False
    assert torch.equal(logits(trainer.model), before)
    assert ternary_base_identity(trainer.model) == ternary_base_identity(base)


REFUSED = {
    "pissa": (lora(init_lora_weights="pissa"), "overwrites the base's weights.*'gaussian'"),
    "olora": (lora(init_lora_weights="olora"), "overwrites the base's weights"),
    "head": (lora(target_modules=["q_proj", "lm_head"]), "adapter to `lm_head` is not supported"),
    "copies": (lora(modules_to_save=["up_proj"]), "would train a copy of .*mlp.up_proj"),
    "copies of blocks": (lora(modules_to_save=["mlp"]), "would train a copy of .*mlp"),
    "parameters": (
        LoraConfig(target_parameters=["q_proj.weight"], task_type=T),
        "would change the weight of .*q_proj",
    ),
    "replication": (lora(layer_replication=[[0, 2]]), "layer_replication makes a deeper model"),
    "tokens": (lora(trainable_token_indices=[5]), "output head shares the embeddings' weight"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_before_training(kind: str, base: Path, make_trainer: MakeTrainer) -> None:
    config, message = REFUSED[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=message):
            make_trainer(model=str(base), trainer={"peft_config": config})


def test_dora_over_latents_that_stay_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="keep_latent_weights=True and use_dora=True"):
        make_trainer(trainer={"peft_config": lora(use_dora=True)}, keep_latent_weights=True)


def test_a_packed_model_without_adapters_is_refused(base: Path, make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match=re.escape("peft_config=LoraConfig(…)")):
        make_trainer(model=load_ternary(base, trainable=False))


def test_what_is_no_config_of_peft(base: Path, make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="peft_config is a dict"):
        make_trainer(model=str(base), trainer={"peft_config": {"r": 4}})
