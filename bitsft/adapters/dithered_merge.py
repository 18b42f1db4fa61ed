"""Base and adapters as one ternary model, rounded so that the adapter is still there on average.

    Δ       = (merged weight - γ·codes) / γ              what the adapter adds, in units of a code
    codes'  = clip(codes + floor(Δ + t), -1, 1)          t in (0, 1) belongs to the place in the matrix (ternary_update.py)
    γ'      = γ

Rounding to nearest loses nearly all of a LoRA, whose changes are far below half a code: 2 % of the codes flip. Dithered, as large a
share of the codes flips as the change is, so sums over many inputs come out as with the adapter, plus noise. Measured on
the model that ships (docs/adapters.md): held-out loss 1.43 with the LoRA, 1.78 dithered, 2.77 to nearest, 2.48 with γ anew.
Training takes out most of the rest (training/merging.py). A layer that no adapter touches keeps codes and γ.

The merged weight is what PEFT itself merges into a dense copy of the layer, whatever the method (LoRA, DoRA, rsLoRA,
LoHa, OFT, …). Dense parts come along: adapters over dense layers are merged, `modules_to_save` are taken.

Limits: prompt and prefix tuning have no weights to merge. The copy is float32: 4 bytes a weight, and for one layer at
a time its dense form beside it.
"""

import copy
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from bitsft.adapters.ternary_update import dither
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.packed_linear import TernaryLayer


def dithered_merge(model: PeftModel) -> PreTrainedModel:
    """A new ternary model without adapters, whose codes the active adapters have moved.

    Args:
        model: Adapters over a ternary base, packed or not; it stays as it is.

    Returns:
        A float32 copy with `BitLinear158` layers, all parameters trainable, in evaluation mode. It shares nothing with
        `model`.

    Raises:
        ValueError: There is no ternary layer, no active adapter, or the adapter is a prompt; an adapter has been merged
            into its base; a method cannot be merged by PEFT.
    """
    _check_mergeable(model)
    base = model.get_base_model()
    # deepcopy asks this table first: ternary layers, with what stands over them, are replaced on the way.
    replaced: dict[int, Any] = {}
    for name, module in base.named_modules():
        if isinstance(module, BaseTunerLayer) and isinstance(module.get_base_layer(), TernaryLayer):
            replaced[id(module)] = _with_adapters(module, name)
        elif isinstance(module, TernaryLayer) and id(module) not in replaced:
            replaced[id(module)] = _on_grid(module)
    tuner = copy.deepcopy(model.base_model, replaced)
    student: PreTrainedModel = tuner._unload_and_optionally_merge(
        merge=True, adapter_names=tuner.active_adapters
    )
    # TRL's fused head sits in the instance, as a function that calls the model it was made for: the teacher.
    vars(student).pop("forward", None)
    for layer_name, layer in student.named_modules():
        if isinstance(layer, BitLinear158):
            layer.full_name = layer_name
    return student.float().requires_grad_(True).eval()


def _check_mergeable(model: PeftModel) -> None:
    if not isinstance(model, PeftModel):
        raise ValueError(
            f"merge_to_ternary needs a PEFT model over a ternary base; this is a {type(model).__name__}."
        )
    config = model.active_peft_config
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise ValueError(
            f"The adapter is {type(config).__name__}: prompts are inputs of the model, no weights that could become "
            "ternary ones. Keep the adapter, or train the base with TernarySFTTrainer."
        )
    layers = [m for m in model.modules() if isinstance(m, BaseTunerLayer)]
    if not any(isinstance(layer.get_base_layer(), TernaryLayer) for layer in layers):
        raise ValueError(
            "No adapter stands over a ternary layer, so there is nothing to bring back to the grid: PEFT's "
            "merge_and_unload() merges into dense layers exactly."
        )
    if any(layer.merged for layer in layers):
        raise ValueError(
            "An adapter is merged already: the base no longer is what it was. Load base and adapter anew."
        )


def _with_adapters(tuner_layer: Any, name: str) -> BitLinear158:
    """The layer below, with codes moved by the tuner layer's active adapters."""
    base: TernaryLayer = tuner_layer.get_base_layer()
    codes, scale = base.ternary()
    on_grid = codes * scale
    dense = nn.Linear(base.in_features, base.out_features, base.bias is not None, device="meta")
    dense.weight = nn.Parameter(on_grid.clone(), requires_grad=False)
    if base.bias is not None:
        dense.bias = nn.Parameter(base.bias.detach().float().clone(), requires_grad=False)
    merged = copy.deepcopy(tuner_layer, {id(base): dense})
    try:
        merged.merge(adapter_names=list(tuner_layer.active_adapters))
    except NotImplementedError as error:
        raise ValueError(
            f"{name}: PEFT cannot merge a {type(tuner_layer).__name__} into a weight. Keep the adapter."
        ) from error
    change = (dense.weight.detach() - on_grid) / scale
    offset = dither(0, base.out_features, base.in_features, change.device)
    moved = (codes + torch.floor(change + offset)).clamp(-1, 1)
    return _bitlinear(base, moved * scale, dense.bias)


def _on_grid(base: TernaryLayer) -> BitLinear158:
    codes, scale = base.ternary()
    return _bitlinear(base, codes * scale, base.bias)


def _bitlinear(base: TernaryLayer, weight: Tensor, bias: Tensor | None) -> BitLinear158:
    layer = BitLinear158(
        base.in_features,
        base.out_features,
        bias is not None,
        device="meta",
        activation_bits=base.activation_bits,
        granularity=base.granularity,
    )
    with torch.no_grad():
        layer.weight = nn.Parameter(weight.float())
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach().float().clone())
    layer.on_grid = True
    return layer.train(base.training)
