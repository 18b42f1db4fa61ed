"""`insert_sub_norms`: an RMSNorm before `o_proj` and before `down_proj`, in a form that stock transformers loads.

    attention   o_proj(norm(heads))
    MLP         down_proj(norm(act(gate_proj(x)) * up_proj(x)))

What a layer rounds to int8 then has an even size from token to token (SubLN, arXiv 2210.06423; in ternary models
arXiv 2310.11453, and BitDistill for the fine-tuning of full-precision ones). A Llama with these two norms is exactly
transformers' `BitNetForCausalLM`, so that is what comes back: every runtime that knows that class reads the result.

`BitNetForCausalLM` has no place for norms of q and k, for a width of heads that does not fill the hidden size, for
biases of the MLP, sliding windows, experts, or norms that compute something else than RMSNorm: such models are
refused. It has biases on all four projections of the attention or on none; where a model has them on q, k and v alone
(Qwen2), `o_proj` gets one of zeros. Each result is tried once: without the new norms it has to give the model's logits.

Which classes: those whose code computes what Llama's does (tests/ternary/test_sub_norms.py compares them). Others may
agree on short inputs and differ later, by windows or by scales that depend on the position, so they are refused by name.
"""

import copy
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import (
    BitNetConfig,
    BitNetForCausalLM,
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
)

from bitsft.ternary.generate import hold_codes_while_generating
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.sub_norm_calibration import (
    calibrate_sub_norms,
    evaluation_mode,
    sub_norms_left_out,
)

logger = logging.getLogger(__name__)

SAME_AS_LLAMA = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM)
"""Classes that compute what `BitNetForCausalLM` computes without its sub-norms."""

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")

_NOT_CARRIED = (
    # said by the new class, or written anew when the model is saved
    *("model_type", "architectures", "transformers_version", "quantization_config"),
    # BitNetConfig has no such option; _check_expressible sees to it that nothing is lost
    *("head_dim", "mlp_bias", "pretraining_tp"),
    *("sliding_window", "use_sliding_window", "max_window_layers", "layer_types"),
)


def insert_sub_norms(
    model: PreTrainedModel, *, calibration: Iterable[Tensor | Sequence[int]] | None = None
) -> PreTrainedModel:
    """A model of class `BitNetForCausalLM` over the same layers, with norms before `o_proj` and `down_proj`.

    Insertion changes what the model computes; `calibration` keeps the change small (docs/sub_norms.md has numbers).
    A model that has sub-norms already is returned as it is, with nothing calibrated.

    Args:
        model: A `LlamaForCausalLM`, `MistralForCausalLM` or `Qwen2ForCausalLM`, ternary already or not. It stays as
            it is, but its layers are shared with the result: training one trains both.
        calibration: Token ids, `[rows, length]` or rows of different lengths without padding. Each new norm then
            gets the weights with which its output comes closest to its input on these rows. Some thousand tokens
            are enough. Default: weights of 1.

    Returns:
        The new model, with the same config (rotary scaling, tied embeddings, special ids, dtype, …), generation
        config and training mode. Only the norms are new, and zeros for a bias of `o_proj` where the other projections
        have one.

    Raises:
        TypeError: `model` is not a transformers model.
        ValueError: `BitNetForCausalLM` cannot express the model; `calibration` holds no token.
    """
    if isinstance(model, BitNetForCausalLM):
        return model
    _check_expressible(model)
    with_norms = _empty_twin(model)
    _share_layers(model, with_norms)
    with_norms.generation_config = copy.deepcopy(model.generation_config)
    with_norms.name_or_path = model.name_or_path
    if model.is_gradient_checkpointing:
        with_norms.gradient_checkpointing_enable()
    if ternary_layers(with_norms):
        hold_codes_while_generating(with_norms)
    _check_same_logits(model, with_norms)
    if calibration is not None:
        calibrate_sub_norms(with_norms, calibration)
    logger.info(
        "%s became BitNetForCausalLM: %d sub-norms inserted, %s",
        type(model).__name__,
        2 * len(with_norms.model.layers),
        "weights of 1" if calibration is None else "calibrated",
    )
    return with_norms


def _check_expressible(model: PreTrainedModel) -> None:
    if hasattr(model, "peft_config") or any(isinstance(m, BaseTunerLayer) for m in model.modules()):
        raise _refusal(
            model,
            "it has adapters, and a saved adapter does not hold the norms of its base",
            "Insert the norms into the base, train and save that, and put adapters on it then",
        )
    if not isinstance(model, PreTrainedModel):
        raise TypeError(f"model is a {type(model).__name__}; pass a transformers model.")
    config = model.config
    if getattr(model, "hf_quantizer", None) is not None:
        raise _refusal(
            model,
            "another method has quantized it",
            "Load it with load_ternary if it is ternary, else without quantization_config",
        )
    if type(model) not in SAME_AS_LLAMA:
        known = ", ".join(one.__name__ for one in SAME_AS_LLAMA)
        raise _refusal(
            model,
            f"only {known} are known to compute what BitNetForCausalLM does without its norms "
            "(norms of q and k, other norms, experts, fused projections have no place there)",
        )
    heads, width = config.num_attention_heads, config.hidden_size
    head_dim = getattr(config, "head_dim", None) or width // heads
    if heads * head_dim != width:
        raise _refusal(
            model,
            f"{heads} heads of head_dim={head_dim} do not fill the hidden size of {width}",
        )
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    has_window = window is not None and (kinds is None or "sliding_attention" in kinds)
    if has_window and window < config.max_position_embeddings:
        raise _refusal(
            model,
            f"it has a sliding window of {window} tokens (max_position_embeddings="
            f"{config.max_position_embeddings})",
            f"If {window} tokens are enough, load it with sliding_window=None, max_position_embeddings={window}",
        )
    for number, block in enumerate(model.model.layers):
        for name in _MLP:
            if getattr(block.mlp, name).bias is not None:
                raise _refusal(model, f"model.layers.{number}.mlp.{name} has a bias")
    for name, module in model.named_modules():
        if "_hf_hook" in vars(module):
            raise _refusal(
                model,
                f"accelerate has spread it over devices ({name or 'the model'} has a hook)",
                "Load it with device_map=None",
            )


def _refusal(model: Any, problem: str, remedy: str | None = None) -> ValueError:
    return ValueError(
        f"{type(model).__name__} cannot get sub-norms in a form that stock transformers loads (BitNetForCausalLM): "
        f"{problem}. {remedy + ', or train' if remedy else 'Train'} without sub-norms."
    )


def _empty_twin(model: PreTrainedModel) -> BitNetForCausalLM:
    """The new model on the meta device, with the model's config."""
    carried = {k: v for k, v in model.config.to_dict().items() if k not in _NOT_CARRIED}
    carried["attention_bias"] = any(
        getattr(block.self_attn, name).bias is not None
        for block in model.model.layers
        for name in _ATTENTION
    )
    config = BitNetConfig(**carried)
    config._attn_implementation = model.config._attn_implementation
    with torch.device("meta"):
        return BitNetForCausalLM(config)


def _share_layers(model: PreTrainedModel, with_norms: BitNetForCausalLM) -> None:
    """Put the model's layers into the new one; ternary layers stay in the state they are in."""
    old, new = model.model, with_norms.model
    device, dtype = old.norm.weight.device, old.norm.weight.dtype
    new.embed_tokens, with_norms.lm_head = old.embed_tokens, model.lm_head
    new.norm.weight = old.norm.weight
    # Not shared: stock transformers will compute with its own, so that is what is tried here.
    new.rotary_emb = type(new.rotary_emb)(with_norms.config).to(device)
    biased = with_norms.config.attention_bias
    for block, twin in zip(old.layers, new.layers, strict=True):
        twin.input_layernorm.weight = block.input_layernorm.weight
        twin.post_attention_layernorm.weight = block.post_attention_layernorm.weight
        for name in _ATTENTION:
            linear = getattr(block.self_attn, name)
            setattr(twin.self_attn, name, _with_bias(linear) if biased else linear)
        for name in _MLP:
            setattr(twin.mlp, name, getattr(block.mlp, name))
        for norm in (twin.self_attn.attn_sub_norm, twin.mlp.ffn_sub_norm):
            where = block.input_layernorm.weight.device
            norm.weight = nn.Parameter(torch.ones(norm.weight.shape, device=where, dtype=dtype))
    shared = set(model.modules())
    for module in with_norms.modules():
        if module not in shared:
            module.training = model.training


def _with_bias(linear: nn.Linear) -> nn.Linear:
    """The layer itself, or one over the same weight that has a bias of zeros."""
    if linear.bias is not None:
        return linear
    biased = copy.copy(linear)
    vars(biased)["_parameters"] = dict(linear._parameters)
    weight = linear.weight
    zeros = torch.zeros(linear.out_features, device=weight.device, dtype=weight.dtype)
    biased.bias = nn.Parameter(zeros, requires_grad=weight.requires_grad)
    return biased


@torch.no_grad()
def _check_same_logits(model: PreTrainedModel, with_norms: BitNetForCausalLM) -> None:
    """What the config cannot tell (a changed forward, another rotary embedding) shows in numbers."""
    weight = model.get_input_embeddings().weight
    if weight.is_meta:
        return
    count = min(16, model.config.max_position_embeddings)
    ids = torch.arange(count, device=weight.device)[None] * 7 % len(weight)
    with evaluation_mode(model, with_norms), sub_norms_left_out(with_norms):
        expected = model(input_ids=ids, use_cache=False).logits.float()
        found = with_norms(input_ids=ids, use_cache=False).logits.float()
    difference = float((found - expected).norm() / expected.norm())
    # model.to(torch.bfloat16) rounds the frequencies of the rotary embedding, too; those of the new model are exact.
    if not difference < max(1e-3, 8 * torch.finfo(weight.dtype).eps):
        raise _refusal(
            model,
            f"as BitNetForCausalLM without the norms it gives other logits (relative difference {difference:.2g})",
        )
