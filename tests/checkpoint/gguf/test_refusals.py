"""Models that llama.cpp would compute differently, each refused by the option that says so."""

from typing import Any

import pytest
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
)

from bitsft.checkpoint.gguf.architectures import architecture_of
from bitsft.checkpoint.source import source_from_model
from tests.checkpoint.gguf.models import (
    LINEAR,
    LLAMA3,
    LONG,
    SIZES,
    YARN,
    bitnet,
    exaone4,
    gemma3,
    llama,
    olmo,
    phi3,
    qwen2,
    qwen3,
    smollm3,
    ternary,
)

WINDOW_AND_FULL = ["sliding_attention", "full_attention"]


def described(model: PreTrainedModel) -> None:
    architecture_of(source_from_model(ternary(model)))


REFUSED: dict[str, tuple[Any, str]] = {
    "llama, gelu": (
        lambda: llama(hidden_act="gelu"),
        r"llama.cpp's architecture 'llama' cannot hold this llama model: hidden_act is 'gelu', and it computes silu. "
        r'Nothing was written; export it with format="transformers"',
    ),
    "llama, both ways": (
        lambda: llama(is_causal=False),
        r"is_causal is False, and it attends backwards only",
    ),
    "llama, dynamic rope": (
        lambda: llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
        r"rope_parameters\['rope_type'\] is 'dynamic', and it reads default, linear, llama3, longrope, yarn only",
    ),
    "llama, partial rope": (
        lambda: llama(
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 1e4,
                "partial_rotary_factor": 0.5,
            }
        ),
        r"rope_parameters\['partial_rotary_factor'\] is 0.5, and it rotates whole heads",
    ),
    "yarn, beta_fast": (
        lambda: llama(rope_parameters={**YARN, "beta_fast": 16.0}),
        r"rope_parameters\['beta_fast'\] is 16.0, and it computes 32",
    ),
    "yarn, beta_slow": (
        lambda: llama(rope_parameters={**YARN, "beta_slow": 2.0}),
        r"rope_parameters\['beta_slow'\] is 2.0, and it computes 1",
    ),
    "yarn, not truncated": (
        lambda: llama(rope_parameters={**YARN, "truncate": False}),
        r"rope_parameters\['truncate'\] is False, and it computes True",
    ),
    "qwen2, llama3 rope": (
        lambda: qwen2(rope_parameters=LLAMA3),
        r"'qwen2' cannot hold .* is 'llama3', and it reads default, linear, yarn only",
    ),
    "qwen2, narrow heads": (
        lambda: qwen2(head_dim=32),
        r"head_dim is 32, and it expects 4 heads to fill the hidden size of 256, 64 each",
    ),
    "qwen3, o_proj bias": (
        lambda: qwen3(attention_bias=True),
        r"model.layers.0.self_attn.o_proj.bias is 'a bias of the model', and it adds none to attn_output",
    ),
    "smollm3, mlp bias": (
        lambda: smollm3(mlp_bias=True),
        r"model.layers.0.mlp.gate_proj.bias is 'a bias of the model', and it adds none to ffn_gate",
    ),
    "smollm3, rope everywhere": (
        lambda: smollm3(no_rope_layers=[1] * 5),
        r"no_rope_layers is \[1, 1, 1, 1, 1\], and it leaves rotary embeddings out in every fourth layer",
    ),
    "gemma3, scale": (
        lambda: gemma3(query_pre_attn_scalar=256),
        r"query_pre_attn_scalar is 256, and it divides attention scores by the square root of 64",
    ),
    "gemma3, 62 layers": (
        lambda: gemma3(num_hidden_layers=62, hidden_size=32, head_dim=16, query_pre_attn_scalar=16),
        r"query_pre_attn_scalar is 16, and it divides attention scores by the square root of 8",
    ),
    "gemma3, relu": (
        lambda: gemma3(hidden_activation="relu"),
        r"hidden_activation is 'relu', and it computes gelu_pytorch_tanh",
    ),
    "gemma3, capped attention": (
        lambda: gemma3(attn_logit_softcapping=50.0),
        r"attn_logit_softcapping is 50.0, and it caps none",
    ),
    "gemma3, both ways": (
        lambda: gemma3(use_bidirectional_attention=True),
        r"use_bidirectional_attention is True, and it attends backwards only",
    ),
    "gemma3, other pattern": (
        lambda: gemma3(layer_types=WINDOW_AND_FULL),
        r"layer_types is \['sliding_attention', 'full_attention'\], and it gives every layer a window but each 6th",
    ),
    "gemma3, scaled windows": (
        lambda: gemma3(
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": 1e6},
                "sliding_attention": LINEAR,
            }
        ),
        r"rope_parameters\['sliding_attention'\] is .*linear.*, and it never scales the windowed layers",
    ),
    "gemma3, yarn": (
        lambda: gemma3(
            rope_parameters={
                "full_attention": YARN,
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            }
        ),
        r"is 'yarn', and it reads default, linear only",
    ),
    "exaone4, hybrid of few layers": (
        lambda: exaone4(sliding_window=64, layer_types=WINDOW_AND_FULL),
        r"sliding_window is 64, and it computes EXAONE 4 with 2 layers without windows",
    ),
    "exaone4, 64 layers, no window": (
        lambda: exaone4(
            num_hidden_layers=64,
            hidden_size=32,
            intermediate_size=32,
            sliding_window=None,
            layer_types=["full_attention"] * 64,
        ),
        r"sliding_window is None, and it takes 64 layers for the hybrid model, which has one",
    ),
    "exaone4, 64 layers, other pattern": (
        lambda: exaone4(
            num_hidden_layers=64,
            hidden_size=32,
            intermediate_size=32,
            layer_types=WINDOW_AND_FULL * 32,
        ),
        r"layer_types is .*, and it gives every layer a window but each 4th",
    ),
    "bitnet, squared ReLU": (
        lambda: bitnet(hidden_act="relu2"),
        r"hidden_act is 'relu2', and it computes silu. Nothing was written; export it with "
        r'format="transformers", or format="i2_s" for bitnet.cpp',
    ),
    "bitnet, untied": (
        lambda: bitnet(tie_word_embeddings=False),
        r"tie_word_embeddings is False, and it has no output matrix of its own",
    ),
    "bitnet, biases": (
        lambda: bitnet(attention_bias=True),
        r"model.layers.0.self_attn.q_proj.bias is 'a bias of the model', and it adds none to attn_q",
    ),
    "olmo, o_proj bias": (
        lambda: olmo(attention_bias=True),
        r"self_attn.o_proj.bias is 'a bias of the model', and it adds none to attn_output",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        described(make())


def test_mixture_of_experts_is_refused_with_what_is_known() -> None:
    sizes = {**SIZES, "hidden_size": 32, "intermediate_size": 32}
    model = ternary(MixtralForCausalLM(MixtralConfig(**sizes, num_local_experts=2)))
    with pytest.raises(ValueError, match="knows llama, mistral, qwen2, .* this model is 'mixtral'"):
        architecture_of(source_from_model(model))


def test_another_head_is_refused() -> None:
    sizes = {**SIZES, "hidden_size": 32, "intermediate_size": 32}
    model = ternary(LlamaForSequenceClassification(LlamaConfig(**sizes)))
    with pytest.raises(
        ValueError, match="score.weight is 'a tensor of the model', and it reads none"
    ):
        architecture_of(source_from_model(model))


def test_unknown_kind_of_attention_is_refused() -> None:
    model = ternary(qwen2())
    model.config.layer_types = ["full_attention", "chunked_attention"]
    with pytest.raises(ValueError, match="layer_types is 'chunked_attention', and it knows"):
        architecture_of(source_from_model(model))


def test_factors_of_the_wrong_length_are_refused() -> None:
    model = ternary(phi3(**LONG))
    model.config.rope_parameters["long_factor"] = [1.0] * 3
    with pytest.raises(
        ValueError, match=r"long_factor'\] is 'of length 3', and a head of 32 rotated"
    ):
        architecture_of(source_from_model(model))
