"""What TRL users expect of a trainer, kept, with ternary weights inside."""

import copy
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import LlamaForCausalLM, TrainerCallback
from trl import SFTConfig

from bitsft.scratch import new_llama
from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_layers
from bitsft.training import TernarySFTTrainer

from .conftest import MakeTrainer, assert_on_the_grid, number_rows

MESSAGES = [
    {"role": "user", "content": "안녕하세요"},
    {"role": "assistant", "content": "반갑습니다"},
]
DATASETS = {
    "text": {"text": "서울은 대한민국의 수도입니다."},
    "prompt and completion": {"prompt": "수도는?", "completion": " 서울"},
    "messages": {"messages": MESSAGES},
    "conversational prompt": {"prompt": MESSAGES[:1], "completion": MESSAGES[1:]},
    "tools": {
        "messages": MESSAGES,
        "tools": '[{"type": "function", "function": {"name": "weather", "parameters": {}}}]',
    },
    "tokenized": {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 8]},
}


def losses(trainer: TernarySFTTrainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("kind", list(DATASETS))
def test_every_kind_of_dataset(make_trainer: MakeTrainer, kind: str) -> None:
    trainer = make_trainer(rows=Dataset.from_list([DATASETS[kind]] * 8), max_steps=6)
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0]
    assert_on_the_grid(trainer.model)


@pytest.mark.parametrize(
    "options",
    [
        {"packing": True, "max_length": 64},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
        {"bf16": True},
        {"assistant_only_loss": True},
        {"optim": "adafactor"},
        {"weight_decay": 0.1, "latent_clip": 2.0},
        {"torch_compile": True, "max_steps": 2},
    ],
    ids=str,
)
def test_options_of_trl(make_trainer: MakeTrainer, options: dict[str, object]) -> None:
    kind = "messages" if "assistant_only_loss" in options else "prompt and completion"
    settings = {"max_steps": 6, **options}
    trainer = make_trainer(rows=Dataset.from_list([DATASETS[kind]] * 12), **settings)
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0]
    assert_on_the_grid(trainer.model)


def test_gradient_accumulation_equals_one_large_batch(make_trainer: MakeTrainer) -> None:
    one = make_trainer(per_device_train_batch_size=4, max_steps=2)
    one.train()
    two = make_trainer(per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=2)
    two.train()
    torch.testing.assert_close(losses(two), losses(one), rtol=1e-4, atol=1e-4)


def test_gradient_checkpointing_changes_nothing(make_trainer: MakeTrainer) -> None:
    plain = make_trainer()
    plain.train()
    recomputed = make_trainer(gradient_checkpointing=True)
    recomputed.train()
    assert losses(recomputed) == losses(plain)


def test_log_holds_the_state_of_the_ternary_weights(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    entry = next(entry for entry in trainer.state.log_history if "loss" in entry)
    assert entry["share_minus_1"] + entry["share_0"] + entry["share_plus_1"] == pytest.approx(1)
    assert entry["dead_zone_share"] == pytest.approx(entry["share_0"], abs=1e-3)
    assert 0 < entry["flip_rate"] < 0.5


def test_flip_rate_is_zero_when_nothing_moves(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(learning_rate=0.0)
    trainer.train()
    assert [e["flip_rate"] for e in trainer.state.log_history if "flip_rate" in e] == [0.0] * 4


def test_latent_weights_stay_when_asked(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(keep_latent_weights=True)
    trainer.train()
    layer = trainer.model.model.layers[0].mlp.up_proj
    assert len(layer.weight.detach().abs().unique()) > 100 and not layer.on_grid


def test_stochastic_projection_learns_without_latents(make_trainer: MakeTrainer) -> None:
    class WatchGrid(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            assert_on_the_grid(model)

    rows = Dataset.from_list([DATASETS["prompt and completion"]] * 8)
    trainer = make_trainer(
        rows=rows,
        projection="stochastic",
        max_steps=8,
        trainer={"callbacks": [WatchGrid()]},
    )
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0]
    assert all(e["flip_rate"] > 0 for e in trainer.state.log_history if "flip_rate" in e)
    assert_on_the_grid(trainer.model)


def test_quantization_strength_rises_linearly_and_evaluation_is_fully_ternary(
    make_trainer: MakeTrainer,
) -> None:
    seen: list[float] = []

    class WatchStrength(TrainerCallback):
        def on_substep_end(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            pass

        def on_optimizer_step(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            seen.append(model.model.layers[0].mlp.up_proj.quantization_strength)

    trainer = make_trainer(
        max_steps=8,
        quantization_warmup_ratio=0.5,
        trainer={"callbacks": [WatchStrength()]},
    )
    trainer.train()
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    assert trainer.model.model.layers[0].mlp.up_proj.quantization_strength == 1.0


def test_latent_clip_bounds_the_latents(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(latent_clip=1.5, keep_latent_weights=True, learning_rate=5e-2)
    trainer.train()
    for layer in ternary_layers(trainer.model).values():
        # γ shrinks a little when the clipped weights are averaged anew
        assert layer.weight.abs().max() <= 1.5 * layer.ternary()[1] * 1.2


def test_a_model_by_path(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM, tiny_tokenizer, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    tiny_llama.save_pretrained(tmp_path / "dense")
    tiny_tokenizer.save_pretrained(tmp_path / "dense")
    trainer = make_trainer(
        model=str(tmp_path / "dense"),
        trainer={"processing_class": None},
        model_init_kwargs={"dtype": "bfloat16"},
    )
    assert trainer.model.dtype == torch.bfloat16
    trainer.train()
    assert_on_the_grid(trainer.model)


def test_trl_arguments_are_enough(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    args = SFTConfig(str(tmp_path), max_steps=1, report_to="none", use_cpu=True, learning_rate=1e-3)
    trainer = TernarySFTTrainer(
        tiny_llama, args, train_dataset=number_rows(), processing_class=tiny_tokenizer
    )
    trainer.train()
    assert trainer.args.learning_rate == 1e-3
    assert_on_the_grid(trainer.model)


def test_the_head_and_the_embeddings_stay_dense(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    assert type(trainer.model.lm_head) is torch.nn.Linear
    assert trainer.model.lm_head.weight is trainer.model.model.embed_tokens.weight


def test_a_model_that_is_ternary_already_is_left_alone(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    replace_linear_with_bitlinear(tiny_llama, filter_fn=lambda _, name: "mlp" not in name)
    # The trainer converts what is still dense, and only that.
    layers = ternary_layers(tiny_llama)
    trainer = make_trainer(model=tiny_llama)
    assert all(ternary_layers(trainer.model)[name] is layer for name, layer in layers.items())


class TestPeft:
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")

    def test_adapters_train_over_a_frozen_ternary_base(self, make_trainer: MakeTrainer) -> None:
        trainer = make_trainer(trainer={"peft_config": self.config}, max_steps=6)
        base = {n: layer.ternary()[0] for n, layer in ternary_layers(trainer.model).items()}
        trainer.train()
        assert losses(trainer)[-1] < losses(trainer)[0]
        assert len(base) == 14
        for name, layer in ternary_layers(trainer.model).items():
            assert torch.equal(layer.ternary()[0], base[name])
        lora = trainer.model.base_model.model.model.layers[0].mlp.up_proj.lora_B["default"].weight
        assert len(lora.unique()) > 10, "adapters are not ternary"

    def test_the_frozen_base_is_ternary_and_training_leaves_it_alone(
        self, make_trainer: MakeTrainer
    ) -> None:
        trainer = make_trainer(trainer={"peft_config": self.config})
        assert_on_the_grid(trainer.model)
        before = {n: p.clone() for n, p in trainer.model.named_parameters() if not p.requires_grad}
        trainer.train()
        after = dict(trainer.model.named_parameters())
        assert all(torch.equal(after[name], weight) for name, weight in before.items())

    def test_the_adapter_comes_back_on_the_ternary_base(
        self,
        make_trainer: MakeTrainer,
        tiny_tokenizer,
        tmp_path: Path,  # type: ignore[no-untyped-def]
    ) -> None:
        dense = new_llama(tiny_tokenizer, hidden_size=32, layers=2, heads=4, max_length=256)
        base = copy.deepcopy(dense)
        trainer = make_trainer(model=dense, trainer={"peft_config": self.config})
        trainer.train()
        trainer.save_model(str(tmp_path / "adapter"))
        again = PeftModel.from_pretrained(replace_linear_with_bitlinear(base), tmp_path / "adapter")
        ids = torch.tensor([[5, 6, 7, 8]])
        torch.testing.assert_close(again.eval()(ids).logits, trainer.model.eval()(ids).logits)


def test_weights_that_turn_nan_are_reported_once_and_never_saved(
    make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class Ruin(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]
            model.model.layers[1].mlp.up_proj.weight.data.fill_(float("nan"))

    trainer = make_trainer(trainer={"callbacks": [Ruin()]})
    trainer.train()
    assert caplog.text.count("hold NaN or infinite weights, model.layers.1.mlp.up_proj first") == 1
    with pytest.raises(ValueError, match="NaN or infinite values, so there is nothing to save"):
        trainer.save_model(str(tmp_path / "saved"))


class TestLeftAsFound:
    def test_global_state(self, make_trainer: MakeTrainer) -> None:
        trainer = make_trainer()
        before = torch.get_default_dtype(), torch.get_num_threads()
        trainer.train()
        assert (torch.get_default_dtype(), torch.get_num_threads()) == before

    def test_the_callers_dataset(self, make_trainer: MakeTrainer) -> None:
        rows = number_rows()
        before = rows.to_dict()
        make_trainer(rows=rows).train()
        assert rows.column_names == ["prompt", "completion"] and rows.to_dict() == before

    def test_no_codes_are_kept_after_training(self, make_trainer: MakeTrainer) -> None:
        trainer = make_trainer()
        trainer.train()
        layer: BitLinear158 = trainer.model.model.layers[0].mlp.up_proj
        before = layer.ternary()[0].clone()
        layer.weight.data.neg_()
        assert torch.equal(layer.ternary()[0], -before)


class TestRefused:
    def test_bitsandbytes(self, make_trainer: MakeTrainer) -> None:
        from transformers import BitsAndBytesConfig

        with pytest.raises(ValueError, match="exclude each other.*use trl.SFTTrainer"):
            make_trainer(trainer={"quantization_config": BitsAndBytesConfig(load_in_4bit=True)})
        with pytest.raises(ValueError, match="model_init_kwargs holds a quantization_config"):
            make_trainer(model="no/model", model_init_kwargs={"quantization_config": {"a": 1}})

    def test_widths_that_do_not_pack_stay_dense(
        self, make_trainer: MakeTrainer, tiny_tokenizer, caplog
    ) -> None:  # type: ignore[no-untyped-def]
        model = new_llama(tiny_tokenizer, hidden_size=32, layers=1, heads=4, intermediate_size=90)
        trainer = make_trainer(model=model)
        assert sorted(name.rsplit(".", 1)[1] for name in ternary_layers(trainer.model)) == [
            "down_proj",
            "k_proj",
            "o_proj",
            "q_proj",
            "v_proj",
        ]
        assert "gate_proj stays in full precision: its 90 output features" in caplog.text
