"""Sub-norms: what is computed, what is shared and carried over, what is refused, and how they are calibrated."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    BitNetForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from bitsft.ternary import insert_sub_norms, replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.kernels import blocked

SIZES: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
IDS = torch.arange(2, 42).reshape(2, 20)


def llama(**options: Any) -> LlamaForCausalLM:
    return shaken(LlamaForCausalLM, LlamaConfig(**{**SIZES, **options}))


def shaken(kind: type[PreTrainedModel], config: PreTrainedConfig) -> Any:
    """Biases and norms off their initial values, and weights large enough that every part shows."""
    torch.manual_seed(0)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


def rope(kind: str, **options: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 5000.0, **options}}


LLAMA3 = {
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
EQUAL: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": llama,
    "tied": lambda: llama(tie_word_embeddings=True),
    "all heads": lambda: llama(num_key_value_heads=4),
    "biases": lambda: llama(attention_bias=True),
    "gelu": lambda: llama(hidden_act="gelu"),
    "epsilon": lambda: llama(rms_norm_eps=0.01),
    "rope default": lambda: llama(**rope("default")),
    "rope linear": lambda: llama(**rope("linear", factor=2.0)),
    "rope dynamic": lambda: llama(**rope("dynamic", factor=2.0)),
    "rope llama3": lambda: llama(**rope("llama3", **LLAMA3)),
    "rope yarn": lambda: llama(**rope("yarn", factor=4.0, original_max_position_embeddings=16)),
    "mistral": lambda: shaken(MistralForCausalLM, MistralConfig(**SIZES, sliding_window=None)),
    "mistral, wide window": lambda: shaken(
        MistralForCausalLM, MistralConfig(**SIZES, sliding_window=64)
    ),
    "qwen2": lambda: shaken(Qwen2ForCausalLM, Qwen2Config(**SIZES)),
}


def logits(model: nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids).logits


def with_norms_by_hooks(model: PreTrainedModel, other: nn.Module) -> PreTrainedModel:
    """The reference: the original class, whose layers get their input through RMSNorm's formula."""
    model = copy.deepcopy(model)

    def normalize(weight: torch.Tensor, epsilon: float) -> Callable[..., Any]:
        return lambda _, args: (
            weight * args[0] / torch.sqrt(args[0].pow(2).mean(-1, keepdim=True) + epsilon),
        )

    epsilon = model.config.rms_norm_eps
    for block, twin in zip(model.model.layers, other.model.layers, strict=True):
        attention, mlp = twin.self_attn.attn_sub_norm.weight, twin.mlp.ffn_sub_norm.weight
        block.self_attn.o_proj.register_forward_pre_hook(normalize(attention, epsilon))
        block.mlp.down_proj.register_forward_pre_hook(normalize(mlp, epsilon))
    return model


@pytest.mark.parametrize("name", list(EQUAL))
def test_it_computes_the_model_with_two_more_norms(name: str) -> None:
    model = EQUAL[name]()
    result = insert_sub_norms(model)
    assert type(result) is BitNetForCausalLM
    with torch.no_grad():
        for parameter_name, parameter in result.named_parameters():
            if "sub_norm" in parameter_name:
                parameter.uniform_(0.5, 2)
    torch.testing.assert_close(
        logits(result), logits(with_norms_by_hooks(model, result)), rtol=1e-5, atol=1e-5
    )
    assert not torch.allclose(logits(result), logits(model), atol=1e-2), "the norms do something"


def test_padding_and_the_cache_go_on_working() -> None:
    model = llama()
    result = insert_sub_norms(model)
    mask = torch.ones_like(IDS)
    mask[0, :5] = 0
    with torch.no_grad():
        expected = with_norms_by_hooks(model, result)(input_ids=IDS, attention_mask=mask).logits
        found = result(input_ids=IDS, attention_mask=mask).logits
        prompt = IDS[:1, :4]
        generated = result.generate(prompt, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    torch.testing.assert_close(found[mask == 1], expected[mask == 1], rtol=1e-5, atol=1e-5)
    step_by_step = prompt
    for _ in range(5):
        following = logits(result, step_by_step)[:, -1]
        following[:, 2] = -torch.inf  # min_new_tokens forbids the end
        step_by_step = torch.cat([step_by_step, following.argmax(-1, keepdim=True)], 1)
    assert generated.tolist() == step_by_step.tolist()


@pytest.mark.parametrize("tied", [False, True])
def test_nothing_is_copied_but_the_norms(tied: bool) -> None:
    model = llama(tie_word_embeddings=tied)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = insert_sub_norms(model)
    old = dict(model.named_parameters())
    new = dict(result.named_parameters())
    assert all(new[name] is parameter for name, parameter in old.items())
    added = set(new) - set(old)
    assert added == {
        f"model.layers.{i}.{part}.weight"
        for i in (0, 1)
        for part in ("self_attn.attn_sub_norm", "mlp.ffn_sub_norm")
    }
    assert all(new[name].requires_grad and bool((new[name] == 1).all()) for name in added)
    assert (result.lm_head.weight is result.model.embed_tokens.weight) is tied
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert type(model) is LlamaForCausalLM and logits(model).isfinite().all()


def test_the_config_is_carried_over() -> None:
    model = llama(
        tie_word_embeddings=True,
        rms_norm_eps=3e-6,
        attention_dropout=0.25,
        initializer_range=0.07,
        hidden_act="gelu",
        own_option="kept",
        **rope("llama3", **LLAMA3),
    )
    model.generation_config.top_k = 7
    model.name_or_path = model.config.name_or_path = "somewhere/base"
    model.set_attn_implementation("eager")
    config = insert_sub_norms(model).config
    before, after = model.config.to_dict(), config.to_dict()
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed <= {"model_type", "architectures", "head_dim", "mlp_bias", "pretraining_tp"}
    assert config.model_type == "bitnet" and after["own_option"] == "kept"
    assert config._attn_implementation == "eager"
    result = insert_sub_norms(model.train())
    assert result.training and result.generation_config.top_k == 7
    assert result.name_or_path == "somewhere/base"
    assert result.generation_config is not model.generation_config


def test_bfloat16_and_gradient_checkpointing_stay() -> None:
    model = llama().to(torch.bfloat16)
    model.gradient_checkpointing_enable()
    result = insert_sub_norms(model)
    assert {p.dtype for p in result.parameters()} == {torch.bfloat16}
    assert result.is_gradient_checkpointing


def test_global_state_and_the_model_stay_as_they_were() -> None:
    model = llama(attention_dropout=0.5).train()
    model.model.layers[0].eval()
    modes = {module: module.training for module in model.modules()}
    random_state = torch.get_rng_state()
    result = insert_sub_norms(model, calibration=IDS)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert modes == {module: module.training for module in model.modules()}
    assert result.training and result.model.layers[0].mlp.ffn_sub_norm.training
    assert torch.get_default_dtype() == torch.float32
    assert not any(module._forward_hooks for module in result.modules())


def test_qwen2_gets_a_bias_of_zeros_on_o_proj() -> None:
    model = EQUAL["qwen2"]()
    result = insert_sub_norms(model)
    attention = result.model.layers[0].self_attn
    assert attention.o_proj.bias.tolist() == [0.0] * 32
    assert attention.o_proj.weight is model.model.layers[0].self_attn.o_proj.weight
    assert attention.q_proj.bias is model.model.layers[0].self_attn.q_proj.bias
    assert model.model.layers[0].self_attn.o_proj.bias is None, "the given model has none"


def test_a_model_with_sub_norms_is_returned_as_it_is() -> None:
    result = insert_sub_norms(llama())
    assert insert_sub_norms(result, calibration=IDS) is result
    assert result.model.layers[0].mlp.ffn_sub_norm.weight.tolist() == [1.0] * 64


def on_the_grid() -> PreTrainedModel:
    model = replace_linear_with_bitlinear(llama())
    for layer in ternary_layers(model).values():
        layer.move_to_grid_()
    return model  # type: ignore[return-value]


def test_ternary_layers_stay_in_their_state() -> None:
    model = on_the_grid()
    result = insert_sub_norms(model)
    layers = ternary_layers(result)
    assert layers.keys() == ternary_layers(model).keys() and len(layers) == 14
    assert all(layer is ternary_layers(model)[name] for name, layer in layers.items())
    assert all(layer.on_grid for layer in layers.values())
    torch.testing.assert_close(logits(result), logits(with_norms_by_hooks(model, result)))


def test_ternary_before_or_after_is_the_same() -> None:
    before = insert_sub_norms(replace_linear_with_bitlinear(EQUAL["qwen2"]()), calibration=IDS)
    after = replace_linear_with_bitlinear(insert_sub_norms(EQUAL["qwen2"](), calibration=IDS))
    assert torch.equal(logits(before), logits(after))
    assert before.state_dict().keys() == after.state_dict().keys()


# --- what cannot be expressed -------------------------------------------------------------------------


def with_lora() -> Any:
    return get_peft_model(llama(), LoraConfig(r=2, target_modules=["q_proj"]))


class OwnLlama(LlamaForCausalLM):
    """A class that nobody compared."""


def changed_forward() -> LlamaForCausalLM:
    model = llama()
    model.model.layers[0].mlp.act_fn = nn.Tanh()
    return model


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "q/k norms": (lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES)), "Qwen3ForCausalLM.*norms of q"),
    "head_dim": (lambda: llama(head_dim=16), "4 heads of head_dim=16 .* hidden size of 32"),
    "MLP biases": (lambda: llama(mlp_bias=True), r"model\.layers\.0\.mlp\.gate_proj has a bias"),
    "window": (
        lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8)),
        "window of 8 tokens.*load it with sliding_window=None, max_position_embeddings=8, or train",
    ),
    "windows in some layers": (
        lambda: Qwen2ForCausalLM(
            Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=8, max_window_layers=1)
        ),
        "window of 8 tokens",
    ),
    "Gemma's norms": (lambda: GemmaForCausalLM(GemmaConfig(**SIZES)), "GemmaForCausalLM.*only"),
    "experts": (lambda: MixtralForCausalLM(MixtralConfig(**SIZES)), "MixtralForCausalLM.*experts"),
    "layers without rope": (lambda: SmolLM3ForCausalLM(SmolLM3Config(**SIZES)), "SmolLM3"),
    "own class": (lambda: OwnLlama(LlamaConfig(**SIZES)), "OwnLlama.*only LlamaForCausalLM"),
    "adapters": (with_lora, "adapters.*Insert the norms into the base"),
    "adapters without their wrapper": (lambda: with_lora().base_model.model, "adapters"),
    "another computation": (changed_forward, "other logits .relative difference"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_expressed_is_refused_with_the_reason(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        insert_sub_norms(make())
    assert "without sub-norms" in str(error.value), "the remedy"


def test_other_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="model is a Linear"):
        insert_sub_norms(nn.Linear(2, 2))  # type: ignore[arg-type]


# --- calibration --------------------------------------------------------------------------------------


def test_calibrated_weights_are_the_least_squares_fit() -> None:
    model = llama()
    seen: list[torch.Tensor] = []
    model.model.layers[1].mlp.down_proj.register_forward_pre_hook(
        lambda _, args: seen.append(args[0])
    )
    logits(model)
    x = seen[0].reshape(-1, 64).double()
    n = x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
    expected = [torch.linalg.lstsq(n[:, [j]], x[:, [j]]).solution.item() for j in range(64)]
    result = insert_sub_norms(model, calibration=IDS)
    found = result.model.layers[1].mlp.ffn_sub_norm.weight.detach().double()
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-4, atol=1e-6)


def test_calibration_keeps_the_model_close() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    held_out = torch.arange(50, 90)[None]

    def distance(result: nn.Module) -> float:
        expected = logits(model, held_out)
        return float((logits(result, held_out) - expected).norm() / expected.norm())

    plain = distance(insert_sub_norms(model))
    calibrated = distance(insert_sub_norms(model, calibration=[[3, 4, 5, 6, 7] * 4, [8] * 9]))
    assert calibrated < plain / 2


def test_latent_weights_are_calibrated_in_full_precision_and_packed_ones_as_they_are() -> None:
    dense = insert_sub_norms(llama(), calibration=IDS)
    latent = insert_sub_norms(replace_linear_with_bitlinear(llama()), calibration=IDS)
    packed = insert_sub_norms(on_the_grid(), calibration=IDS)
    name = "model.layers.1.mlp.ffn_sub_norm.weight"
    torch.testing.assert_close(latent.state_dict()[name], dense.state_dict()[name])
    assert not torch.allclose(packed.state_dict()[name], dense.state_dict()[name], rtol=0.01)
    layers = ternary_layers(latent).values()
    assert all(layer.quantization_strength == 1 and not layer.training for layer in layers)


def test_a_dead_channel_gets_the_mean_weight() -> None:
    model = llama()
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[5] = 0
    weight = insert_sub_norms(model, calibration=IDS).model.layers[0].mlp.ffn_sub_norm.weight
    assert weight.isfinite().all() and weight.min() <= weight[5] <= weight.max()


def test_rows_without_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="hold no token"):
        insert_sub_norms(llama(), calibration=[[], []])


def test_a_model_on_the_meta_device_gets_its_norms_there() -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**SIZES))
    result = insert_sub_norms(model)
    assert all(parameter.is_meta for parameter in result.parameters())


# --- training -----------------------------------------------------------------------------------------


def test_the_norms_learn_and_do_not_decay() -> None:
    model = replace_linear_with_bitlinear(insert_sub_norms(llama())).train()
    model(input_ids=IDS, labels=IDS).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    trainer = transformers.Trainer.__new__(transformers.Trainer)
    decayed = trainer.get_decay_parameter_names(model)
    assert not [name for name in decayed if "norm" in name]
    assert "model.layers.0.mlp.down_proj.weight" in decayed


def test_layers_that_read_the_same_input_quantize_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """q, k, v together; gate and up together; o and down what their norms give."""
    widths: list[int] = []
    quantize = blocked.quantize_rows

    def counted(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        widths.append(x.shape[-1])
        return quantize(x)

    monkeypatch.setattr(blocked, "quantize_rows", counted)
    model = replace_linear_with_bitlinear(insert_sub_norms(llama())).train()
    model(input_ids=IDS)
    assert widths == [32, 32, 32, 64] * 2
