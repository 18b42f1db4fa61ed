"""A tiny random model of every architecture that the formats are tested with."""

from collections.abc import Callable

import torch
from torch import nn
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
    MixtralConfig,
    MixtralForCausalLM,
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

SIZES = {
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
HEADS = {"head_dim": 8}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "llama, tied": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES, **HEADS)),
    "qwen2, biases": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "qwen3, q/k norms": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, **HEADS)),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**SIZES, **HEADS)),
    "phi3, fused projections": lambda: Phi3ForCausalLM(Phi3Config(**SIZES)),
    "olmo": lambda: OlmoForCausalLM(OlmoConfig(**SIZES)),
    "olmo2": lambda: Olmo2ForCausalLM(Olmo2Config(**SIZES)),
    "smollm3": lambda: SmolLM3ForCausalLM(SmolLM3Config(**SIZES)),
    "exaone4": lambda: Exaone4ForCausalLM(Exaone4Config(**SIZES)),
    "bitnet, sub-norms, squared ReLU": lambda: BitNetForCausalLM(BitNetConfig(**SIZES)),
    "bitnet, sub-norms, SiLU": lambda: BitNetForCausalLM(BitNetConfig(**SIZES, hidden_act="silu")),
    "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**SIZES, num_local_experts=4)),
}
IDS = torch.arange(2, 34).reshape(2, 16)


def ternary_model(name: str, **options: object) -> PreTrainedModel:
    """The model of that name, ternary; norms and biases are not at their 0 and 1."""
    torch.manual_seed(0)
    model = replace_linear_with_bitlinear(MODELS[name](), **options).eval()  # type: ignore[arg-type]
    return shaken(model)


def shaken(model: nn.Module) -> PreTrainedModel:
    """Norm weights and biases moved off their initial values, which would hide a missing one."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    assert isinstance(model, PreTrainedModel)
    return model


def logits(model: PreTrainedModel) -> torch.Tensor:
    """Logits of `IDS`."""
    with torch.no_grad():
        return model(IDS).logits
