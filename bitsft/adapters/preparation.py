"""Before PEFT wraps a ternary model: the base is frozen on its grid, the config means ternary layers, and what cannot work
is refused.

    target_modules="all-linear", or none where PEFT knows no default for the architecture -> the ternary layers
    LoRA layers -> lora.py

Adapters move what is added to a ternary layer's output, or its input: the layer itself stays γ·{-1, 0, 1}. So refused is what
would write into its weight (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA), train a copy of it (`modules_to_save`), look at it as a
parameter (`target_parameters`), or train biases of packed layers, which have no gradients.
"""

import copy
from typing import Any, NoReturn

from peft import PeftConfig, PeftModel, PeftType
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from torch import nn
from transformers import PreTrainedModel

from bitsft.adapters.lora import use_ternary_lora
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158, TernaryLayer, layers_with_codes

ALL_LINEAR = "all-linear"
_OVERWRITING = ("pissa", "olora", "corda", "loftq", "lora_ga")


def prepare_adapters(
    model: PreTrainedModel, config: PeftConfig, *, keep_latent_weights: bool = False
) -> PeftConfig:
    """Freeze a ternary base and make the config fit it.

    Args:
        model: A model with ternary layers, trainable or packed. All its parameters are frozen, and its latent weights
            become γ·codes, in place.
        config: Any config of PEFT; it stays as it is.
        keep_latent_weights: Leave latent weights as they are; forward uses the same codes and γ.

    Returns:
        A copy of the config, to be given to PEFT.

    Raises:
        ValueError: The config asks for something that a frozen ternary base cannot do.
    """
    if not isinstance(config, PeftConfig):
        raise ValueError(
            f"peft_config is a {type(config).__name__}; pass a config of PEFT, such as peft.LoraConfig(…)."
        )
    layers = layers_with_codes(model)
    prepared: Any = copy.deepcopy(config)
    _resolve_target_modules(model, layers, prepared)
    _refuse_overwriting(prepared)
    _refuse_other_models(model, prepared)
    _refuse_copies(model, layers, prepared)
    _refuse_parameters(layers, prepared)
    _refuse_packed_biases(layers, prepared)
    if keep_latent_weights and getattr(prepared, "use_dora", False):
        raise ValueError(
            "keep_latent_weights=True and use_dora=True exclude each other: DoRA takes norms of the weights that lie in memory, "
            "and those would not be the ternary ones. Leave keep_latent_weights at False."
        )
    model.requires_grad_(False)
    for layer in ternary_layers(model).values():
        if not layer.on_grid and not keep_latent_weights:
            layer.move_to_grid_()
    use_ternary_lora(prepared)
    return prepared


def check_model_can_train(model: nn.Module, *, with_adapters: bool) -> None:
    """Refuse a packed model without adapters: it has no ternary weights that could be trained.

    Args:
        model: What the trainer was given.
        with_adapters: Whether adapters are going to be put over it.

    Raises:
        ValueError: It is one.
    """
    if not with_adapters and not isinstance(model, PeftModel) and has_packed_layers(model):
        raise ValueError(
            f"{type(model).__name__} is packed (load_ternary(…, trainable=False) or pack_model), and packed layers hold no "
            "weights that can be trained. Train adapters over it (peft_config=LoraConfig(…)), or load it with "
            "load_ternary(path)."
        )


def allows_checkpointing(config: PeftConfig | None) -> bool:
    """Whether gradient checkpointing works with a config: prefixes live in the cache, which it turns off."""
    return config is None or config.peft_type != PeftType.PREFIX_TUNING


def stays_as_it_is(model: nn.Module, *, with_adapters: bool) -> bool:
    """Whether a model is a ternary base of adapters already, in which no more layers are to become ternary.

    Args:
        model: What the trainer was given.
        with_adapters: Whether adapters are going to be put over it.
    """
    under_adapters = with_adapters or isinstance(model, PeftModel)
    return under_adapters and bool(layers_with_codes(model))


def has_packed_layers(model: nn.Module) -> bool:
    """Whether any layer of a model is packed."""
    return any(isinstance(module, PackedLinear158) for module in model.modules())


def _resolve_target_modules(
    model: PreTrainedModel, layers: dict[str, TernaryLayer], config: Any
) -> None:
    targets = getattr(config, "target_modules", ())
    if targets is None and getattr(config, "target_parameters", None):
        return
    known = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    is_all = isinstance(targets, str) and targets.lower() == ALL_LINEAR
    if is_all or (targets is None and model.config.model_type not in known):
        config.target_modules = _names(model, layers)


def _names(model: nn.Module, layers: dict[str, TernaryLayer]) -> set[str]:
    """Last names of the layers (`q_proj`) where they mean these layers only, else their full names."""
    ends = {name.rpartition(".")[2] for name in layers}
    meant = {name for name, _ in model.named_modules() if name.rpartition(".")[2] in ends}
    return ends if meant == set(layers) else set(layers)


def _refuse_overwriting(config: Any) -> None:
    start = getattr(config, "init_lora_weights", True)
    if isinstance(start, str) and start.lower().startswith(_OVERWRITING):
        raise ValueError(
            f"init_lora_weights={start!r} overwrites the base's weights with what its factors leave over, which is not "
            "γ·{-1, 0, 1}. Use True (the default), 'gaussian' or 'orthogonal', which leave the base as it is."
        )


def _refuse_other_models(model: PreTrainedModel, config: Any) -> None:
    if getattr(config, "layer_replication", None):
        raise ValueError(
            "layer_replication makes a deeper model of the base, which the saved adapter could not be checked against. "
            "Leave it out."
        )
    if getattr(config, "trainable_token_indices", None):
        embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
        if head is not None and head.weight is embeddings.weight:
            raise ValueError(
                "trainable_token_indices does not work where the output head shares the embeddings' weight: TRL takes the "
                "loss from the head's own weight and bias, which PEFT's wrapper hides. Leave it out, or train all "
                "embeddings with modules_to_save=['embed_tokens']."
            )


def _refuse_copies(model: nn.Module, layers: dict[str, TernaryLayer], config: Any) -> None:
    for key in getattr(config, "modules_to_save", None) or ():
        for name, _ in model.named_modules():
            if name != key and not name.endswith(f".{key}"):
                continue
            inside = [layer for layer in layers if layer == name or layer.startswith(f"{name}.")]
            if inside:
                _refuse_ternary(f"modules_to_save={key!r} would train a copy of {inside[0]}", key)


def _refuse_parameters(layers: dict[str, TernaryLayer], config: Any) -> None:
    for key in getattr(config, "target_parameters", None) or ():
        meant = [
            name
            for name in layers
            if f"{name}.weight" == key or f".{name}.weight".endswith(f".{key}")
        ]
        if meant:
            _refuse_ternary(f"target_parameters={key!r} would change the weight of {meant[0]}", key)


def _refuse_ternary(what: str, key: str) -> NoReturn:
    raise ValueError(
        f"{what}, a ternary layer, which stays frozen under adapters. Name such layers in target_modules instead of "
        f"{key!r} there, or train the ternary weights themselves (no peft_config)."
    )


def _refuse_packed_biases(layers: dict[str, TernaryLayer], config: Any) -> None:
    bias = getattr(config, "bias", "none")
    if bias == "none":
        return
    for name, layer in layers.items():
        if isinstance(layer, PackedLinear158) and layer.bias is not None:
            raise ValueError(
                f"bias={bias!r} would train the bias of {name}, but packed layers are frozen as a whole. Use "
                "lora_bias=True, which adds a bias of the adapter's own, or load the base with trainable=True."
            )
