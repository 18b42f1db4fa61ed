"""Small random ternary models, wide enough for blocks of 256, of everything that llama.cpp is given."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    BitNetConfig,
    BitNetForCausalLM,
    Exaone4Config,
    Exaone4ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    OlmoConfig,
    OlmoForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from bitsft.ternary import replace_linear_with_bitlinear

ROWS = 408
"""Embedding rows: more than the tokenizer has tokens."""

SIZES: dict[str, Any] = {
    "vocab_size": ROWS,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.06,  # wide enough for attention that is not nearly uniform
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 500.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 256,
    "short_factor": [1.0 + 0.1 * i for i in range(16)],
    "long_factor": [1.0 + 0.5 * i for i in range(16)],
}
LONG = {"rope_parameters": LONGROPE, "original_max_position_embeddings": 256}
LINEAR = {"rope_type": "linear", "rope_theta": 20000.0, "factor": 4.0}
GEMMA = {"head_dim": 64, "query_pre_attn_scalar": 64, "sliding_window": 32}


def settings(options: dict[str, Any]) -> dict[str, Any]:
    """`SIZES` with these options, copied: configs change the dicts that they are given."""
    return copy.deepcopy({**SIZES, **options})


def llama(**options: Any) -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**settings(options)))


def mistral(**options: Any) -> PreTrainedModel:
    return MistralForCausalLM(MistralConfig(**settings(options)))


def qwen2(**options: Any) -> PreTrainedModel:
    return Qwen2ForCausalLM(Qwen2Config(**settings(options)))


def qwen3(**options: Any) -> PreTrainedModel:
    return Qwen3ForCausalLM(Qwen3Config(**settings({"head_dim": 64, **options})))


def gemma3(**options: Any) -> PreTrainedModel:
    return Gemma3ForCausalLM(Gemma3TextConfig(**settings({**GEMMA, **options})))


def phi3(**options: Any) -> PreTrainedModel:
    return Phi3ForCausalLM(Phi3Config(**settings({"num_attention_heads": 8, **options})))


def olmo(**options: Any) -> PreTrainedModel:
    return OlmoForCausalLM(OlmoConfig(**settings(options)))


def olmo2(**options: Any) -> PreTrainedModel:
    return Olmo2ForCausalLM(Olmo2Config(**settings(options)))


def smollm3(**options: Any) -> PreTrainedModel:
    return SmolLM3ForCausalLM(SmolLM3Config(**settings({"num_hidden_layers": 5, **options})))


def exaone4(**options: Any) -> PreTrainedModel:
    return Exaone4ForCausalLM(Exaone4Config(**settings(options)))


def bitnet(**options: Any) -> PreTrainedModel:
    usual = {"hidden_act": "silu", "tie_word_embeddings": True}
    return BitNetForCausalLM(BitNetConfig(**settings({**usual, **options})))


MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": llama,
    "llama, tied, narrow heads": lambda: llama(tie_word_embeddings=True, head_dim=32),
    "llama, biases": lambda: llama(attention_bias=True, mlp_bias=True),
    "llama, width 96": lambda: llama(hidden_size=96, intermediate_size=200),
    "llama, llama3 rope": lambda: llama(rope_parameters=LLAMA3),
    "llama, linear rope": lambda: llama(rope_parameters=LINEAR),
    "llama, yarn": lambda: llama(rope_parameters=YARN),
    "llama, yarn, own factor": lambda: llama(rope_parameters={**YARN, "attention_factor": 1.3}),
    "mistral": lambda: mistral(sliding_window=None),
    "mistral, window": lambda: mistral(sliding_window=384),
    "qwen2": qwen2,
    "qwen2, yarn, tied": lambda: qwen2(rope_parameters=YARN, tie_word_embeddings=True),
    "qwen3": qwen3,
    "qwen3, wide heads, tied": lambda: qwen3(head_dim=128, tie_word_embeddings=True),
    "gemma3": lambda: gemma3(num_hidden_layers=7, final_logit_softcapping=5.0),
    "gemma3, heads of 256": lambda: gemma3(head_dim=256, query_pre_attn_scalar=256),
    "gemma3, linear rope": lambda: gemma3(
        num_hidden_layers=7,
        rope_parameters={
            "full_attention": LINEAR,
            "sliding_attention": {"rope_type": "default", "rope_theta": 3000.0},
        },
    ),
    "gemma3, no windows": lambda: gemma3(layer_types=["full_attention"] * 2),
    "phi3": phi3,
    "phi3, partial rope": lambda: phi3(
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.75,
        }
    ),
    "phi3, window": lambda: phi3(sliding_window=300),
    "phi3, longrope": lambda: phi3(**LONG),
    "olmo": olmo,
    "olmo, clipped": lambda: olmo(clip_qkv=0.5),
    "olmo2": olmo2,
    "olmo2, tied, yarn": lambda: olmo2(tie_word_embeddings=True, rope_parameters=YARN),
    "smollm3": smollm3,
    "exaone4": exaone4,
    "exaone4, llama3 rope": lambda: exaone4(rope_parameters=LLAMA3),
    "exaone4, hybrid": lambda: exaone4(
        num_hidden_layers=64, hidden_size=64, intermediate_size=128, sliding_window=24
    ),
    "bitnet": bitnet,
}


def ternary(model: PreTrainedModel, **options: Any) -> PreTrainedModel:
    """The model with ternary layers; one-dimensional weights are moved off their initial 0 and 1."""
    torch.manual_seed(0)
    replace_linear_with_bitlinear(model.eval(), **options)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def ternary_model(name: str, **options: Any) -> PreTrainedModel:
    """The model of that name."""
    torch.manual_seed(0)
    return ternary(MODELS[name](), **options)
