"""Latents from a base and its adapters: what the adapter adds is in them, and nothing else has changed."""

from typing import Any

import pytest
import torch
from peft import LoHaConfig, LoraConfig, PromptTuningConfig, get_peft_model
from torch import nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.adapters.latents import latents_with_adapter
from bitsft.adapters.preparation import prepare_adapters
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import layers_with_codes, pack_model
from bitsft.ternary.quantize import latents_from_grid
from bitsft.ternary.replace import replace_linear_with_bitlinear
from tests.adapters.test_ternary_lora import logits, qwen2


def adapted(config: Any, form: str = "packed", kind: str = "llama", base: Any = None) -> Any:
    model = qwen2() if kind == "qwen2" else base
    replace_linear_with_bitlinear(model)
    if form != "latent":
        pack_model(model)
    return get_peft_model(model, prepare_adapters(model, config)).eval()


def train_a_little(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "lora_B" in name:
            parameter.data.normal_().mul_(0.05)


@pytest.mark.parametrize("form", ["latent", "packed"])
def test_an_adapter_that_adds_nothing_leaves_codes_scale_and_logits(
    form: str, tiny_llama: LlamaForCausalLM
) -> None:
    model = adapted(LoraConfig(target_modules=["q_proj", "up_proj"]), form, base=tiny_llama)
    student = latents_with_adapter(model)
    assert torch.equal(logits(student), logits(model))
    for name, layer in ternary_layers(student).items():
        assert layer.on_grid  # the trainer makes latents of such
        assert layer.full_name == name


@pytest.mark.parametrize("form", ["latent", "packed"])
@pytest.mark.parametrize("dora", [False, True])
def test_what_the_adapter_adds_moves_the_latents(form: str, dora: bool) -> None:
    config = LoraConfig(target_modules=["q_proj"], r=2, lora_alpha=6, use_dora=dora)
    model = adapted(config, form, "qwen2")
    train_a_little(model)
    if dora:
        for name, parameter in model.named_parameters():
            if "magnitude" in name:
                parameter.data.mul_(1.1)
    before = logits(model)
    tuner_layer = model.base_model.model.model.layers[1].self_attn.q_proj
    codes, scale = tuner_layer.base_layer.ternary()
    weight = codes * scale
    delta = 3 * tuner_layer.lora_B["default"].weight @ tuner_layer.lora_A["default"].weight
    merged = weight + delta
    if dora:
        magnitude = tuner_layer.lora_magnitude_vector["default"].weight
        merged = merged * (magnitude / merged.norm(dim=1)).unsqueeze(1)
    student = latents_with_adapter(model)
    layer = student.model.layers[1].self_attn.q_proj
    expected = latents_from_grid(codes, scale) + merged - weight
    torch.testing.assert_close(layer.weight.detach(), expected.detach(), rtol=1e-5, atol=1e-6)
    assert not layer.on_grid
    assert torch.equal(layer.bias, tuner_layer.base_layer.bias)
    assert torch.equal(logits(model), before)  # the adapter is where it was
    shared = {p.data_ptr() for p in model.parameters()} & {
        p.data_ptr() for p in student.parameters()
    }
    assert not shared
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_dense_parts_come_along() -> None:
    config = LoraConfig(target_modules=["q_proj", "embed_tokens"], modules_to_save=["lm_head"], r=2)
    model = adapted(config, "packed", "qwen2")
    inner = model.base_model.model
    inner.lm_head.modules_to_save["default"].weight.data.mul_(2)
    embedding = inner.model.embed_tokens
    embedding.lora_embedding_A["default"].data.normal_()
    added = embedding.get_delta_weight("default").detach()
    assert added.abs().max() > 0
    student = latents_with_adapter(model)
    assert torch.equal(student.lm_head.weight, inner.lm_head.modules_to_save["default"].weight)
    torch.testing.assert_close(
        student.model.embed_tokens.weight.detach(),
        embedding.base_layer.weight.detach() + added,
    )
    assert torch.equal(logits(student), logits(model))


def test_other_methods_of_peft_merge_as_well(tiny_llama: LlamaForCausalLM) -> None:
    model = adapted(LoHaConfig(target_modules=["up_proj"], r=2), "latent", base=tiny_llama)
    tuner_layer = model.base_model.model.model.layers[0].mlp.up_proj
    for parameter in tuner_layer.parameters():
        parameter.data.add_(0.05)
    delta = tuner_layer.get_delta_weight("default").detach()
    codes, scale = tuner_layer.base_layer.ternary()
    layer = latents_with_adapter(model).model.layers[0].mlp.up_proj
    torch.testing.assert_close(
        layer.weight.detach(), latents_from_grid(codes, scale) + delta, rtol=1e-5, atol=1e-6
    )


def test_a_model_in_bfloat16_becomes_float32(tiny_llama: LlamaForCausalLM) -> None:
    tiny_llama.to(torch.bfloat16)
    model = adapted(LoraConfig(target_modules=["up_proj"]), "packed", base=tiny_llama)
    student = latents_with_adapter(model)
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}
    wanted = {name: layer.ternary() for name, layer in layers_with_codes(model.unload()).items()}
    for name, layer in ternary_layers(student).items():
        codes, scale = layer.ternary()
        assert torch.equal(codes, wanted[name][0])
        assert torch.equal(scale, wanted[name][1])


def test_refusals(tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="this is a LlamaForCausalLM"):
        latents_with_adapter(tiny_llama)  # type: ignore[arg-type]
    dense = get_peft_model(qwen2(), LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(ValueError, match="merge_and_unload"):
        latents_with_adapter(dense)  # type: ignore[arg-type]
    prompts = adapted(
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), base=tiny_llama
    )
    with pytest.raises(ValueError, match="Keep the adapter"):
        latents_with_adapter(prompts)
    config = LoraConfig(target_modules=["q_proj"])
    merged = replace_linear_with_bitlinear(qwen2())
    stock = get_peft_model(merged, config)  # without use_ternary_lora PEFT merges
    stock.merge_adapter()
    with pytest.raises(ValueError, match="merged already"):
        latents_with_adapter(stock)  # type: ignore[arg-type]
