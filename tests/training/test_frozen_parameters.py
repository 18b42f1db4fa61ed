"""Freezing by name: what stays, what is refused, and that a frozen lower half costs no backward."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback
from trl import TrlParser

from bitsft.checkpoint import load_ternary
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.training import TernarySFTConfig, TernarySFTTrainer, freeze_parameters
from tests.training.conftest import MakeTrainer

LOWER = ["model.layers.0.*", "*embed_tokens*"]


def trained_names(model: torch.nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def test_patterns_are_matched_against_whole_names(tiny_llama: LlamaForCausalLM) -> None:
    names = freeze_parameters(tiny_llama, ["model.layers.[0-8].mlp.*_proj.weight", "model.norm.?*"])
    assert names == [
        *(f"model.layers.0.mlp.{kind}_proj.weight" for kind in ("gate", "up", "down")),
        *(f"model.layers.1.mlp.{kind}_proj.weight" for kind in ("gate", "up", "down")),
        "model.norm.weight",
    ]
    assert len(trained_names(tiny_llama)) == 20 - 7
    assert not tiny_llama.model.norm.weight.requires_grad


@pytest.mark.parametrize("pattern", ["lm_head.weight", "*embed_tokens*"])
def test_tied_embeddings_and_head_are_frozen_together_and_that_is_said(
    tiny_llama: LlamaForCausalLM, caplog: pytest.LogCaptureFixture, pattern: str
) -> None:
    names = freeze_parameters(tiny_llama, [pattern])
    assert names == ["model.embed_tokens.weight", "lm_head.weight"]
    assert "are one tensor (tied embeddings): both are frozen" in caplog.text
    assert not tiny_llama.lm_head.weight.requires_grad


def test_untied_ones_are_frozen_apart(caplog: pytest.LogCaptureFixture) -> None:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    with caplog.at_level(logging.WARNING):
        assert freeze_parameters(model, ["lm_head*"]) == ["lm_head.weight"]
    assert caplog.text == "" and model.model.embed_tokens.weight.requires_grad


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["layers.0.*"], r"'layers\.0\.\*' matches no .*write '\*layers\.0\.\*'"),
        (["*embed_tokens*", "model.embedtokens.weight"], "it are 'model.embed_tokens.weight'"),
        (["MODEL.*"], "matches no parameter of LlamaForCausalLM"),
        (["*"], "leave no parameter of LlamaForCausalLM to train"),
    ],
)
def test_what_is_refused_leaves_the_model_as_it_was(
    tiny_llama: LlamaForCausalLM, patterns: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        freeze_parameters(tiny_llama, patterns)
    assert len(trained_names(tiny_llama)) == 20


def test_one_text_is_no_list_of_patterns(tiny_llama: LlamaForCausalLM, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pass a list of patterns, \['model\.\*'\]"):
        freeze_parameters(tiny_llama, "model.*")
    with pytest.raises(ValueError, match="it is a list of patterns"):
        TernarySFTConfig(str(tmp_path), frozen_parameters="model.*")  # type: ignore[arg-type]


def test_names_are_those_without_peft(tiny_llama: LlamaForCausalLM) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    lora = LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(tiny_llama, lora)
    names = freeze_parameters(model, ["model.layers.0.self_attn.q_proj.*"])
    assert names == [
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.self_attn.q_proj.lora_A.default.weight",
        "model.layers.0.self_attn.q_proj.lora_B.default.weight",
    ]
    inner = "base_model.model.model.layers.1.self_attn.q_proj"
    assert trained_names(model) == {
        f"{inner}.lora_A.default.weight",
        f"{inner}.lora_B.default.weight",
    }
    with pytest.raises(ValueError, match="leave no parameter"):
        freeze_parameters(model, ["model.layers.*"])


def test_packed_layers_have_their_weights_name(tiny_llama: LlamaForCausalLM) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    mlp = tiny_llama.model.layers[0].mlp
    mlp.up_proj = PackedLinear158.from_bitlinear(mlp.up_proj)
    assert freeze_parameters(tiny_llama, ["*layers.0.mlp.up_proj.weight"]) == [
        "model.layers.0.mlp.up_proj.weight"
    ]


@pytest.mark.parametrize("projection", ["latent", "stochastic"])
def test_frozen_layers_end_as_they_began_and_are_saved_so(
    make_trainer: MakeTrainer, tmp_path: Path, projection: str
) -> None:
    trainer = make_trainer(
        frozen_parameters=LOWER,
        projection=projection,
        weight_decay=0.5,
        learning_rate=2e-2,
        max_steps=3,
    )
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    codes = {name: layer.ternary() for name, layer in ternary_layers(trainer.model).items()}
    assert all(
        layer.on_grid for name, layer in ternary_layers(trainer.model).items() if ".0." in name
    )
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        is_frozen = ".layers.0." in name or "embed" in name
        assert torch.equal(parameter, before[name]) == is_frozen, name
    optimizer: Any = trainer.optimizer
    assert len(optimizer.state_dict()["state"]) == 10, "7 matrices and 2 norms above, the last norm"
    trainer.save_model(str(tmp_path / "saved"))
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "Not trained: parameters whose names match `model.layers.0.*`" in card
    for name, layer in ternary_layers(load_ternary(tmp_path / "saved")).items():
        if ".0." in name:
            assert torch.equal(layer.ternary()[0], codes[name][0]), name
            # the file holds 1 / γ
            torch.testing.assert_close(layer.ternary()[1], codes[name][1], rtol=3e-7, atol=0)


def test_codes_of_frozen_layers_are_computed_once_in_a_training(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitsft.ternary.linear import BitLinear158

    trainer = make_trainer(frozen_parameters=LOWER, max_steps=3)
    calls: dict[str, int] = {}
    original = BitLinear158._quantize

    def counted(self: BitLinear158) -> Any:
        calls[self.full_name] = calls.get(self.full_name, 0) + 1
        return original(self)

    monkeypatch.setattr(BitLinear158, "_quantize", counted)
    trainer.train()
    frozen = {name: count for name, count in calls.items() if ".layers.0." in name}
    assert len(frozen) == 7 and set(frozen.values()) == {1}


def test_latents_may_stay_latent(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(frozen_parameters=LOWER, keep_latent_weights=True, max_steps=1)
    layer = ternary_layers(trainer.model)["model.layers.0.mlp.up_proj"]
    before = layer.weight.detach().clone()
    trainer.train()
    assert not layer.on_grid and torch.equal(layer.weight, before)


class Killed(Exception):
    pass


class KillAfter(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]
        if state.global_step == 3:
            raise Killed


@pytest.mark.parametrize(
    "options",
    [
        {"latent_average_decay": 0.9, "freeze_oscillating_ratio": 0.5, "dense_learning_rate": 1e-3},
        {"projection": "stochastic"},
    ],
    ids=["stabilised", "stochastic"],
)
def test_a_killed_run_resumes_to_the_same_bits(
    make_trainer: MakeTrainer, tmp_path: Path, options: dict[str, Any]
) -> None:
    def run(name: str, callbacks: list[TrainerCallback], resume: bool) -> TernarySFTTrainer:
        trainer = make_trainer(
            output_dir=str(tmp_path / name),
            trainer={"callbacks": callbacks},
            frozen_parameters=LOWER,
            save_strategy="steps",
            save_steps=2,
            **options,
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    expected = run("whole", [], False).model.state_dict()
    with pytest.raises(Killed):
        run("killed", [KillAfter()], False)
    for name, tensor in run("killed", [], True).model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("reentrant", [None, False, True])
def test_gradient_checkpointing_changes_nothing_but_where_backward_ends(
    make_trainer: MakeTrainer, reentrant: bool | None
) -> None:
    def weights(**options: Any) -> tuple[dict[str, torch.Tensor], bool]:
        trainer = make_trainer(frozen_parameters=LOWER, max_steps=2, **options)
        reached: list[bool] = []
        trainer.model.model.layers[0].register_forward_hook(
            lambda *args: reached.append(args[2].requires_grad)
        )
        trainer.train()
        return trainer.model.state_dict(), any(reached)

    expected, _ = weights()
    kwargs = None if reentrant is None else {"use_reentrant": reentrant}
    found, reached = weights(gradient_checkpointing=True, gradient_checkpointing_kwargs=kwargs)
    assert reached == bool(reentrant)
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name


def test_with_a_teacher_only_the_head_can_be_trained(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    trainer = make_trainer(
        frozen_parameters=["model.layers.*"], max_steps=2, trainer={"teacher_model": tiny_llama}
    )
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    changed = {n for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"model.embed_tokens.weight", "model.norm.weight"}


def test_an_error_comes_before_data_are_prepared(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="matches no parameter"):
        make_trainer(rows="no dataset at all", frozen_parameters=["nothing"])  # type: ignore[arg-type]


def test_adapters_below_are_frozen_and_stay(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(
        frozen_parameters=["model.layers.0.*"],
        max_steps=2,
        trainer={"peft_config": LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")},
    )
    trained = trained_names(trainer.model)
    assert len(trained) == 2 and all(".layers.1." in name and "lora" in name for name in trained)
    trainer.train()


def test_options_that_need_trained_ternary_weights_say_so(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="here they are frozen .by frozen_parameters"):
        make_trainer(frozen_parameters=["model.layers.*"], dense_learning_rate=1e-4)
    with pytest.raises(ValueError, match="see also frozen_parameters"):
        make_trainer(frozen_parameters=["model.layers.*"], latent_average_decay=0.9)


def test_command_line_and_yaml_give_lists(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "output_dir: out\nfrozen_parameters: ['model.layers.[0-3].*', '*embed_tokens*']\n"
    )
    parser = TrlParser(TernarySFTConfig)
    (config,) = parser.parse_args_and_config(["--config", str(file), "--report_to", "none"])
    assert config.frozen_parameters == ["model.layers.[0-3].*", "*embed_tokens*"]
    (config,) = parser.parse_args_and_config(
        ["--output_dir", "out", "--frozen_parameters", "a.*", "*b*"]
    )
    assert config.frozen_parameters == ["a.*", "*b*"]
