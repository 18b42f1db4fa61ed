"""`replace_linear_with_bitlinear`: make the linear layers of any model ternary, in place.

Which layers: every `nn.Linear`, and transformers' own BitNet layers (`AutoBitLinear`, online or offline,
and packed `BitLinear`), decided by module type and never by name. Left in full precision: the output head,
anything that shares its weight with an embedding, routers of mixtures of experts (beside the experts, one
output for each), adapters of PEFT, and every other kind of module.

The two scale conventions of transformers' layers (`BitLinear` divides by `weight_scale`, `AutoBitLinear`
multiplies) end here: inside bitsft γ multiplies.

Limits: experts stored as one three-dimensional parameter, and GPT-2's `Conv1D`, are not `nn.Linear` and stay
as they are; layers that bitsandbytes or another method has quantized are not converted.
"""

import logging
from collections.abc import Callable, Iterator

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations.bitnet import AutoBitLinear, BitLinear
from transformers.quantizers.quantizer_bitnet import BitNetHfQuantizer

from bitsft.ternary.generate import hold_codes_while_generating
from bitsft.ternary.grid_watch import GridWatch
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.pack import unpack_codes
from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.ternary.quantize import Granularity

logger = logging.getLogger(__name__)

FilterFn = Callable[[nn.Module, str], bool]


def replace_linear_with_bitlinear(
    model: nn.Module,
    *,
    filter_fn: FilterFn | None = None,
    activation_bits: int | None = 8,
    granularity: Granularity = "tensor",
) -> nn.Module:
    """Turn linear layers into `BitLinear158`, sharing their parameters.

    Layers that are ternary already (`BitLinear158`, `PackedLinear158`) stay as they are, so calling this twice does
    nothing more. `model.generate` computes the codes once a call from then on (generate.py).
    What was replaced and what was kept is logged at level INFO; `print(model)` shows it too.

    Args:
        model: Any model; it is changed in place.
        filter_fn: `filter_fn(module, full_name) -> bool`, asked for each layer that would be replaced;
            False leaves it as it is. Default: all of them.
        activation_bits: 8, or None for weight-only quantization.
        granularity: One γ per matrix (`"tensor"`) or per output channel (`"row"`).

    Returns:
        The same model.

    Raises:
        ValueError: The model holds no layer that could be replaced, or a weight holds NaN or infinite
            values, or a layer has a norm or hooks that a ternary layer could not keep.
    """
    already = len(layers_with_codes(model))
    replacements: dict[str, BitLinear158] = {}
    kept: list[str] = []
    filtered: list[str] = []
    made: dict[nn.Module, BitLinear158] = {}
    grid_watch = GridWatch()
    for name, module in _candidates(model):
        if _stays_in_full_precision(model, module, name):
            kept.append(name)
            continue
        if filter_fn is not None and not filter_fn(module, name):
            filtered.append(name)
            continue
        if module not in made:
            made[module] = _to_bitlinear(module, name, activation_bits, granularity)
            made[module].grid_watch = grid_watch
        replacements[name] = made[module]
    if not replacements and not already:
        raise ValueError(_nothing_to_replace(model, filtered))
    for name, layer in replacements.items():
        model.set_submodule(name, layer)
    if replacements:
        _forget_stock_quantization(model)
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            hold_codes_while_generating(module)
    logger.info(
        "%s: %d linear layers made ternary, %d were ternary already, kept in full precision: %s",
        type(model).__name__,
        len(replacements),
        already,
        ", ".join([*kept, *filtered]) or "none",
    )
    return model


def _candidates(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Linear layers by full name, without those that belong to a PEFT adapter."""
    adapter_parts: set[nn.Module] = set()
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            adapter_parts.update(module.modules())
            adapter_parts.discard(module)
            adapter_parts.difference_update(module.get_base_layer().modules())
    for name, module in model.named_modules(remove_duplicate=False):
        if name and module not in adapter_parts and _is_linear(module):
            yield name, module


def _is_linear(module: nn.Module) -> bool:
    # Exactly these types: a subclass (bitsandbytes' Linear4bit, say) gives its weight another meaning.
    return type(module) in (nn.Linear, AutoBitLinear, BitLinear)


def _stays_in_full_precision(model: nn.Module, module: nn.Module, name: str) -> bool:
    if isinstance(module, nn.Linear):
        embeddings = (m.weight for m in model.modules() if isinstance(m, nn.Embedding))
        if any(module.weight is weight for weight in embeddings):
            return True
        # A router stands beside its experts; a width alone proves nothing (k_proj may have it, too).
        beside = dict(model.get_submodule(name.rpartition(".")[0]).named_children())
        if "experts" in beside and module.out_features in _expert_counts(model):
            return True
    head = _output_head(model)
    return head is not None and any(module is part for part in head.modules())


def _output_head(model: nn.Module) -> nn.Module | None:
    for module in model.modules():  # PEFT wraps the model
        if isinstance(module, PreTrainedModel):
            return module.get_output_embeddings()
    return None


def _expert_counts(model: nn.Module) -> set[int]:
    """Output widths of gates: one per expert of this model, or one for the shared expert."""
    counts = {1}
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            config = module.config.get_text_config().to_dict()
            names = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
            counts.update(config[name] for name in names if isinstance(config.get(name), int))
            break
    return counts


def _to_bitlinear(
    module: nn.Module, name: str, activation_bits: int | None, granularity: Granularity
) -> BitLinear158:
    if "_hf_hook" in vars(module):
        raise ValueError(
            f"{name}: the model is spread over devices by accelerate hooks, which a converted layer would "
            "lose. Load it with device_map=None."
        )
    linear = module
    if isinstance(module, BitLinear | AutoBitLinear):
        if module.rms_norm is not None:
            raise ValueError(
                f"{name}: transformers' layer normalizes its input (use_rms_norm=True), which BitLinear158 "
                "does not. Load the checkpoint with use_rms_norm=False, or keep stock transformers for it."
            )
        if isinstance(module, BitLinear):
            linear = _unpacked(module)
        elif not module.online_quant:
            linear = _rescaled(module)
    layer = BitLinear158.from_linear(
        linear,  # type: ignore[arg-type]
        activation_bits=activation_bits,
        granularity=granularity,
        full_name=name,
    )
    if isinstance(module, AutoBitLinear) and module.online_quant:
        layer.on_grid = False  # online layers take γ from the mean, whatever the weight looks like
    return layer


def _unpacked(module: nn.Module) -> nn.Linear:
    """transformers' packed `BitLinear` as a dense layer on the grid: γ = 1 / weight_scale."""
    codes = unpack_codes(module.get_buffer("weight"))
    inverse_scale = module.get_buffer("weight_scale")
    scale = (1 / inverse_scale.float()).to(inverse_scale.dtype)
    return _dense_layer(codes * scale, None if module.bias is None else module.get_buffer("bias"))


def _rescaled(module: nn.Module) -> nn.Linear:
    """transformers' offline `AutoBitLinear` as a dense layer on the grid: γ = weight_scale.

    It computes (x · codes + bias) · γ, so its bias counts γ-fold.
    """
    scale = module.get_buffer("weight_scale")
    weight = module.get_parameter("weight").detach() * scale
    bias = None if module.bias is None else module.get_parameter("bias").detach() * scale
    return _dense_layer(weight, bias)


def _dense_layer(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    out_features, in_features = weight.shape
    linear = nn.Linear(
        in_features, out_features, bias is not None, device="meta", dtype=weight.dtype
    )
    linear.weight = nn.Parameter(weight)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().clone())
    return linear


def _forget_stock_quantization(model: nn.Module) -> None:
    """The model no longer is what transformers' quantizer made; its marks would block training."""
    quantizer = vars(model).get("hf_quantizer")
    if isinstance(model, PreTrainedModel) and isinstance(quantizer, BitNetHfQuantizer):
        del model.hf_quantizer
        del model.config.quantization_config
        setattr(model, "is_quantized", False)  # noqa: B010 — nn.Module's stubs know tensors only
        vars(model).pop("quantization_method", None)


def _nothing_to_replace(model: nn.Module, filtered: list[str]) -> str:
    kinds = sorted({type(m).__name__ for m in model.modules() if next(m.children(), None) is None})
    if not kinds or not any(True for _ in model.parameters()):
        return f"{type(model).__name__} has no parameters, so there is nothing to make ternary."
    if filtered:
        return (
            f"{type(model).__name__}: filter_fn left out all {len(filtered)} linear layers "
            f"({', '.join(filtered[:5])}); let it return True for at least one."
        )
    return (
        f"{type(model).__name__} holds no nn.Linear and no BitNet layer of transformers beside its output head; "
        f"its leaf modules are {', '.join(kinds)}. Layers that another method has quantized (bitsandbytes, GPTQ, …) cannot become "
        "ternary: load the model without quantization_config."
    )
