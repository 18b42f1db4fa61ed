"""Ternary adapters in PEFT: merging changes no bit, saving and resuming keep everything, misuse is refused."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from bitsft.adapters.load import load_adapter
from bitsft.adapters.ternary_lora import TernaryLoraLinear, merge_ternary_adapter
from bitsft.adapters.ternary_lora_config import TernaryLoraConfig
from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.scratch import new_llama
from bitsft.ternary.linear import BitLinear158, ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158, layers_with_codes
from bitsft.ternary.packed_model import pack_model
from bitsft.ternary.replace import replace_linear_with_bitlinear
from tests.training.conftest import MakeTrainer, number_rows
from tests.training.conftest import make_trainer as make_trainer

IDS = torch.tensor([[5, 9, 3, 77, 21, 8], [4, 4, 100, 2, 31, 6]])


def qwen2() -> Qwen2ForCausalLM:
    config = Qwen2Config(
        vocab_size=128,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    return model


def ternary_model(
    kind: str, form: str, tokenizer: PreTrainedTokenizerFast, **options: Any
) -> PreTrainedModel:
    model: Any = (
        qwen2()
        if kind == "qwen2"
        else new_llama(tokenizer, hidden_size=32, layers=2, heads=4, max_length=256)
    )
    replace_linear_with_bitlinear(model, **options)
    if form != "latent":
        pack_model(model, codes_in_memory=form)
    return model.eval()


def move(model: PeftModel, seed: int = 1) -> None:
    """As if it had been trained: factors that flip many codes."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "ternary_lora_B" in name:
            parameter.data.normal_(generator=generator).mul_(0.2)


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=IDS).logits
    return found


@pytest.mark.parametrize("bits", [8, None])
@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("form", ["latent", "packed", "int8"])
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_merging_changes_no_bit(
    kind: str,
    form: str,
    granularity: str,
    bits: int | None,
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    base = ternary_model(kind, form, tiny_tokenizer, granularity=granularity, activation_bits=bits)
    before = logits(base)
    scales = {name: layer.ternary()[1].clone() for name, layer in layers_with_codes(base).items()}
    model = get_peft_model(base, TernaryLoraConfig(r=4)).eval()
    torch.testing.assert_close(logits(model), before, rtol=0, atol=0)  # B is 0 at first
    move(model)
    with_adapter = logits(model)
    assert (with_adapter - before).abs().max() > 0.02
    in_training = model(input_ids=IDS).logits
    torch.testing.assert_close(in_training, with_adapter, rtol=0, atol=0)

    merged = merge_ternary_adapter(model)
    assert torch.equal(logits(merged), with_adapter)
    layers = layers_with_codes(merged)
    assert {type(layer) for layer in layers.values()} == {
        BitLinear158 if form == "latent" else PackedLinear158
    }
    assert not any(isinstance(module, TernaryLoraLinear) for module in merged.modules())
    for name, layer in layers.items():
        assert torch.equal(layer.ternary()[1], scales[name])  # γ stays
        assert layer.full_name == name


def test_merging_changes_no_bit_in_bfloat16(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    base = ternary_model("qwen2", "latent", tiny_tokenizer).to(torch.bfloat16)
    model = get_peft_model(base, TernaryLoraConfig(r=4)).eval()
    assert (
        model.base_model.model.model.layers[0].mlp.up_proj.ternary_lora_A.default.dtype
        == torch.float32
    )
    move(model)
    with_adapter = logits(model)
    assert torch.equal(logits(merge_ternary_adapter(model)), with_adapter)


@pytest.mark.parametrize("factors", ["int8", "ternary"])
def test_training_moves_codes_and_merging_keeps_what_was_learned(
    factors: str, make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    base = ternary_model("llama", "packed", tiny_tokenizer)
    codes = {name: layer.ternary()[0] for name, layer in layers_with_codes(base).items()}
    config = TernaryLoraConfig(r=4, strength=4.0, factors=factors)
    trainer = make_trainer(
        base, rows=number_rows(2), trainer={"peft_config": config}, max_steps=20, learning_rate=3e-2
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0] - 0.2
    assert config.target_modules == "all-linear"  # the caller's stays as it was
    model = trainer.model.eval()
    with_adapter = logits(model)
    merged = merge_ternary_adapter(model)
    assert torch.equal(logits(merged), with_adapter)
    flips = sum(
        int((layer.ternary()[0] != codes[name]).sum())
        for name, layer in layers_with_codes(merged).items()
    )
    assert flips > 100
    save_ternary(merged, tmp_path / "merged")
    assert torch.equal(logits(load_ternary(tmp_path / "merged").eval()), with_adapter)


def test_modules_to_save_come_along() -> None:
    base = replace_linear_with_bitlinear(qwen2()).eval()
    model = get_peft_model(base, TernaryLoraConfig(r=4, modules_to_save=["lm_head"])).eval()
    move(model)
    without = logits(model)
    with torch.no_grad():
        model.base_model.model.lm_head.modules_to_save["default"].weight.mul_(2)
    with_head = logits(model)
    assert not torch.equal(with_head, without)
    merged = merge_ternary_adapter(model)
    assert torch.equal(logits(merged), with_head)
    assert type(merged.lm_head) is torch.nn.Linear


def test_resuming_is_exact(
    make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    def trained(resume: str | None, steps: int) -> dict[str, Tensor]:
        torch.manual_seed(0)
        trainer = make_trainer(
            ternary_model("llama", "packed", tiny_tokenizer),
            trainer={"peft_config": TernaryLoraConfig(r=4, strength=4.0)},
            save_strategy="steps",
            save_steps=2,
            max_steps=4,
            learning_rate=2e-2,
        )
        if steps < 4:
            trainer.args.max_steps = steps
        trainer.train(resume_from_checkpoint=resume)
        return {
            n: p.detach().clone() for n, p in trainer.model.named_parameters() if p.requires_grad
        }

    whole = trained(None, 4)
    resumed = trained(str(tmp_path / "run" / "checkpoint-2"), 4)
    assert whole.keys() == resumed.keys()
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


def test_a_saved_adapter_loads_again(
    tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    base = ternary_model("llama", "packed", tiny_tokenizer)
    again = copy.deepcopy(base)
    model = get_peft_model(base, TernaryLoraConfig(r=4, strength=2.0, rounding="nearest")).eval()
    move(model)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["rounding"]) == ("TERNARY_LORA", "nearest")
    loaded = PeftModel.from_pretrained(again, tmp_path).eval()
    assert isinstance(loaded.peft_config["default"], TernaryLoraConfig)
    assert torch.equal(logits(loaded), logits(model))


def test_what_the_trainer_saves_loads_onto_its_base_only(
    make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    base = ternary_model("llama", "packed", tiny_tokenizer)
    save_ternary(base, tmp_path / "base")
    trainer = make_trainer(
        base,
        trainer={"peft_config": TernaryLoraConfig(r=4)},
        max_steps=3,
        learning_rate=2e-2,
        output_dir=str(tmp_path / "adapter"),
    )
    trainer.train()
    trainer.save_model()
    trained = logits(trainer.model.eval())
    loaded = load_adapter(tmp_path / "base", tmp_path / "adapter")
    assert torch.equal(logits(loaded), trained)
    merged = merge_ternary_adapter(loaded)
    assert torch.equal(logits(merged), trained)
    with pytest.raises(ValueError, match="base"):
        load_adapter(merged, tmp_path / "adapter")  # its codes are others now


def test_a_peft_that_does_not_know_it_refuses_it(
    tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ternary_model("llama", "packed", tiny_tokenizer)
    get_peft_model(base, TernaryLoraConfig(r=4)).save_pretrained(tmp_path)
    monkeypatch.delitem(PEFT_TYPE_TO_CONFIG_MAPPING, "TERNARY_LORA")
    with pytest.raises(KeyError, match="TERNARY_LORA"):
        PeftModel.from_pretrained(ternary_model("llama", "packed", tiny_tokenizer), tmp_path)


def test_several_adapters_over_one_base(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    base = ternary_model("llama", "packed", tiny_tokenizer)
    plain = logits(base)
    model = get_peft_model(base, TernaryLoraConfig(r=4), adapter_name="one")
    model.add_adapter("two", TernaryLoraConfig(r=3, target_modules=["up_proj"]))
    move(model)
    model.eval()
    first = logits(model)
    model.set_adapter("two")
    second = logits(model)
    assert not torch.equal(first, second)
    with model.disable_adapter():
        assert torch.equal(logits(model), plain)
    model.base_model.set_adapter(["one", "two"])
    both = logits(model)
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    codes, _ = layer.ternary()
    updates = [layer.ternary([name])[0].int() for name in ("one", "two")]
    assert codes.abs().max() == 1
    assert not torch.equal(codes, updates[0].to(torch.int8))
    assert torch.equal(logits(merge_ternary_adapter(model)), both)


def test_only_the_named_adapter_is_merged(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    model = get_peft_model(
        ternary_model("llama", "latent", tiny_tokenizer), TernaryLoraConfig(r=4), adapter_name="one"
    )
    model.add_adapter("two", TernaryLoraConfig(r=3))
    move(model)
    model.eval()
    model.set_adapter("two")
    expected = logits(model)
    model.set_adapter("one")
    assert torch.equal(logits(merge_ternary_adapter(model, ["two"])), expected)


def test_taking_the_adapter_off_leaves_the_base(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    for form in ("latent", "packed"):
        base = ternary_model("llama", form, tiny_tokenizer)
        plain = logits(base)
        model = get_peft_model(base, TernaryLoraConfig(r=4))
        move(model)
        assert torch.equal(logits(model.unload()), plain)


def test_a_layer_whose_codes_all_become_zero_is_merged(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    base = ternary_model("llama", "latent", tiny_tokenizer)
    up = base.model.layers[0].mlp.up_proj
    with torch.no_grad():
        up.weight.fill_(0.5)
    model = get_peft_model(base, TernaryLoraConfig(r=1)).eval()
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    layer.ternary_lora_A["default"].data.fill_(-1)
    layer.ternary_lora_B["default"].data.fill_(1)
    assert not bool(layer.ternary()[0].any())
    with_adapter = logits(model)
    assert torch.equal(logits(merge_ternary_adapter(model)), with_adapter)


def test_refusals(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    dense = new_llama(tiny_tokenizer, hidden_size=32, layers=1, heads=4)
    with pytest.raises(ValueError, match="has no ternary layers"):
        get_peft_model(copy.deepcopy(dense), TernaryLoraConfig())
    with pytest.raises(ValueError, match=r"layers\.0\.self_attn\.q_proj is a Linear"):
        get_peft_model(dense, TernaryLoraConfig(target_modules=["q_proj"]))
    model = get_peft_model(ternary_model("llama", "latent", tiny_tokenizer), TernaryLoraConfig(r=2))
    codes = {name: layer.ternary()[0] for name, layer in ternary_layers(model).items()}
    with pytest.raises(ValueError, match="merge_ternary_adapter"):
        model.merge_adapter()
    for name, layer in ternary_layers(model).items():
        assert torch.equal(layer.ternary()[0], codes[name])
    with pytest.raises(ValueError, match="no adapter 'x'; the model has default"):
        merge_ternary_adapter(model, ["x"])
    with pytest.raises(ValueError, match="set_adapter"):
        model(input_ids=IDS, adapter_names=["default", "default"])
    lora = get_peft_model(
        ternary_model("llama", "latent", tiny_tokenizer), LoraConfig(target_modules=["q_proj"])
    )
    with pytest.raises(ValueError, match="merge_to_ternary"):
        merge_ternary_adapter(lora)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r": 0}, "r is 0"),
        ({"r": 1041}, "r is 1041"),
        ({"strength": 0.0}, "strength is 0.0"),
        ({"strength": float("inf")}, "strength is inf"),
        ({"rounding": "up"}, "dithered, nearest"),
        ({"factors": "int4"}, "int8, ternary"),
        ({"target_modules": ".*up.*", "layers_to_transform": [0]}, "layers_to_transform has no"),
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TernaryLoraConfig(**settings)
