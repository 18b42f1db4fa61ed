"""Base and adapters rounded to one ternary model: the adapter is there on average, and nothing else has changed."""

from typing import Any

import pytest
import torch
from peft import LoHaConfig, LoraConfig, PromptTuningConfig, get_peft_model
from torch import nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.adapters.dithered_merge import dithered_merge
from bitsft.adapters.preparation import prepare_adapters
from bitsft.adapters.ternary_update import dither
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.ternary.packed_model import pack_model
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
    student = dithered_merge(model)
    assert torch.equal(logits(student), logits(model))
    for name, layer in ternary_layers(student).items():
        assert layer.on_grid  # the trainer makes latents of such
        assert layer.full_name == name


@pytest.mark.parametrize("form", ["latent", "packed"])
@pytest.mark.parametrize("dora", [False, True])
def test_what_the_adapter_adds_moves_codes(form: str, dora: bool) -> None:
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
    student = dithered_merge(model)
    layer = student.model.layers[1].self_attn.q_proj
    new_codes, new_scale = layer.ternary()
    assert torch.equal(new_scale, scale)
    assert torch.equal(layer.weight.detach(), new_codes * scale)
    change = ((merged - weight) / scale).detach()
    exact = change + dither(0, 32, 32, change.device)
    flipped = new_codes != codes
    assert 20 < flipped.sum() < 1000
    unsure = (exact - exact.round()).abs() < 1e-4  # float noise decides there
    wanted = (codes + exact.floor()).clamp(-1, 1)
    assert torch.equal(new_codes[~unsure].float(), wanted[~unsure])
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
    student = dithered_merge(model)
    assert torch.equal(student.lm_head.weight, inner.lm_head.modules_to_save["default"].weight)
    torch.testing.assert_close(
        student.model.embed_tokens.weight.detach(),
        embedding.base_layer.weight.detach() + added,
    )
    assert torch.equal(logits(student), logits(model))


def test_other_methods_of_peft_merge_as_well(tiny_llama: LlamaForCausalLM) -> None:
    model = adapted(LoHaConfig(target_modules=["up_proj"], r=2), "latent", base=tiny_llama)
    tuner_layer = model.base_model.model.model.layers[0].mlp.up_proj
    for name, parameter in tuner_layer.named_parameters():
        if name.startswith("hada_"):
            parameter.data.fill_(0.15)
    delta = tuner_layer.get_delta_weight("default").detach()
    codes, scale = tuner_layer.base_layer.ternary()
    layer = dithered_merge(model).model.layers[0].mlp.up_proj
    change = (delta / scale).mean().item()
    moved = (layer.ternary()[0] - codes).float().mean().item()
    assert change > 0.01
    assert 0.2 * change < moved < change  # some codes are 1 already and stay there


def test_a_model_in_bfloat16_becomes_float32(tiny_llama: LlamaForCausalLM) -> None:
    tiny_llama.to(torch.bfloat16)
    model = adapted(LoraConfig(target_modules=["up_proj"]), "packed", base=tiny_llama)
    student = dithered_merge(model)
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}
    wanted = {name: layer.ternary() for name, layer in layers_with_codes(model.unload()).items()}
    for name, layer in ternary_layers(student).items():
        codes, scale = layer.ternary()
        assert torch.equal(codes, wanted[name][0])
        assert torch.equal(scale, wanted[name][1])


def test_refusals(tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="this is a LlamaForCausalLM"):
        dithered_merge(tiny_llama)  # type: ignore[arg-type]
    dense = get_peft_model(qwen2(), LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(ValueError, match="merge_and_unload"):
        dithered_merge(dense)  # type: ignore[arg-type]
    prompts = adapted(
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2), base=tiny_llama
    )
    with pytest.raises(ValueError, match="Keep the adapter"):
        dithered_merge(prompts)
    config = LoraConfig(target_modules=["q_proj"])
    merged = replace_linear_with_bitlinear(qwen2())
    stock = get_peft_model(merged, config)  # without use_ternary_lora PEFT merges
    stock.merge_adapter()
    with pytest.raises(ValueError, match="merged already"):
        dithered_merge(stock)  # type: ignore[arg-type]


def test_the_student_has_the_parameters_of_the_dense_model_and_all_of_them_are_real() -> None:
    dense = qwen2()  # biases at q, k and v only
    expected = {name: tuple(p.shape) for name, p in dense.named_parameters()}
    student = dithered_merge(
        adapted(LoraConfig(target_modules=["q_proj", "up_proj"]), "packed", "qwen2")
    )
    assert {name: tuple(p.shape) for name, p in student.named_parameters()} == expected
    assert not any(p.is_meta for p in student.parameters())
