"""Ternary adapters as a method of PEFT: `TernaryLoraLinear` over a ternary layer, `TernaryLoraModel` over a model.

The layer computes with the merged codes, in training and afterwards, so that merging changes no bit of what it computes:
`merge_ternary_adapter` replaces it by a ternary layer of its base's kind with those codes and the base's γ.

Importing this module registers the method with PEFT: `get_peft_model`, `PeftModel.from_pretrained`, several adapters
at once, resuming and saving are PEFT's own. Saved are the float latents of A and B, so that training can go on.

Limits: the merged codes are made anew in each forward, which costs little in training and as much as quantizing latents when one
token at a time is generated: merge before. An adapter of its own for each row of a batch (`adapter_names`) is not offered.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.mapping import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    PEFT_TYPE_TO_PREFIX_MAPPING,
    PEFT_TYPE_TO_TUNER_MAPPING,
)
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from bitsft.adapters.ternary_lora_config import PEFT_TYPE, TernaryLoraConfig
from bitsft.adapters.ternary_update import (
    AdaptedProduct,
    Factors,
    Rounding,
    ternary_update,
    whole_factor,
)
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.packed_linear import PackedLinear158, TernaryLayer, layers_with_codes


class _WholeFactors(NamedTuple):
    """A and B in whole numbers, with their units; see ternary_update.py."""

    a: Tensor
    unit_a: Tensor
    b: Tensor
    unit_b: Tensor


class TernaryLoraLinear(nn.Module, BaseTunerLayer):
    """A ternary layer whose codes adapters move.

    Args:
        base_layer: The ternary layer; it stays as it is.
        adapter_name: Of the first adapter.
        config: Its settings.
    """

    base_layer: TernaryLayer
    active_adapters: list[str]  # a property of PEFT's; said for the type checker
    merges_exactly = True  # adapters/lora.py asks
    adapter_layer_names = ("ternary_lora_A", "ternary_lora_B")
    other_param_names = ("r", "strength", "rounding", "factors")

    def __init__(
        self, base_layer: TernaryLayer, adapter_name: str, config: TernaryLoraConfig
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.in_features, self.out_features = base_layer.in_features, base_layer.out_features
        self.ternary_lora_A = nn.ParameterDict({})
        self.ternary_lora_B = nn.ParameterDict({})
        self.r: dict[str, int] = {}
        self.strength: dict[str, float] = {}
        self.rounding: dict[str, Rounding] = {}
        self.factors: dict[str, Factors] = {}
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config)

    def update_layer(self, adapter_name: str, config: TernaryLoraConfig) -> None:
        """Add an adapter that changes nothing yet: A is random, B is 0.

        Args:
            adapter_name: Its name.
            config: Its settings.
        """
        self.r[adapter_name] = config.r
        self.strength[adapter_name] = config.strength
        self.rounding[adapter_name] = config.rounding  # type: ignore[assignment]
        self.factors[adapter_name] = config.factors  # type: ignore[assignment]
        self.ternary_lora_A[adapter_name] = nn.Parameter(torch.randn(config.r, self.in_features))
        self.ternary_lora_B[adapter_name] = nn.Parameter(torch.zeros(self.out_features, config.r))
        BaseTunerLayer._move_adapter_to_device_of_base_layer(self, adapter_name)
        BaseTunerLayer.set_adapter(self, self.active_adapters, inference_mode=config.inference_mode)

    def ternary(self, adapter_names: list[str] | None = None) -> tuple[Tensor, Tensor]:
        """The pair that forward multiplies by: merged codes and the base's γ.

        Args:
            adapter_names: Which adapters count. Default: the active ones.

        Returns:
            As `BitLinear158.ternary`.
        """
        codes, scale = self.base_layer.ternary()
        names = self._of_this_layer(adapter_names)
        return self._merged(codes, {name: self._whole(name) for name in names}), scale

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The ternary product with the merged codes.

        Args:
            x: As for the base layer.
            *args: Passed to the base layer where no adapter is active.
            **kwargs: Likewise.

        Returns:
            `[..., out_features]`, as the base layer.
        """
        names = [] if self.disable_adapters else self._of_this_layer(None)
        if not names:
            y: Tensor = self.base_layer(x, *args, **kwargs)
            return y
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else x.dtype
        with torch.autocast(device, enabled=False):
            codes, scale = self.base_layer.ternary()
            wholes = {name: self._whole(name) for name in names}
            used_a = [self.strength[name] * w.unit_a * w.a for name, w in wholes.items()]
            used_b = [self.strength[name] * w.unit_b * w.b for name, w in wholes.items()]
            return AdaptedProduct.apply(
                x,
                torch.cat([self.ternary_lora_A[name] for name in names]),
                torch.cat([self.ternary_lora_B[name] for name in names], dim=1),
                self.base_layer.bias,
                torch.cat(used_a),
                torch.cat(used_b, dim=1),
                self._merged(codes, wholes),
                scale,
                dtype,
                self.base_layer.activation_bits,
                isinstance(self.base_layer, PackedLinear158),
            )

    def merged_layer(self, adapter_names: list[str] | None = None) -> TernaryLayer:
        """A layer of the base's kind that computes what this one does.

        Args:
            adapter_names: Which adapters count. Default: the active ones.

        Returns:
            The base itself, with other codes; where it is packed, a new packed layer.
        """
        codes, scale = self.ternary(adapter_names)
        base = self.base_layer
        if isinstance(base, BitLinear158):
            with torch.no_grad():
                base.weight.copy_(codes * scale)
            base.on_grid = True
            base.drop_codes()
            return base
        merged = PackedLinear158(
            codes,
            scale,
            base.bias,
            base.activation_bits,
            codes_in_memory=base.codes_in_memory,
            dtype=base.weight.dtype,
        )
        merged.full_name = base.full_name
        return merged.train(base.training)

    def unload_and_optionally_merge_module(
        self, merge: bool, safe_merge: bool, adapter_names: list[str] | None
    ) -> TernaryLayer:
        """PEFT calls this where adapters are taken off a model."""
        return self.merged_layer(adapter_names) if merge else self.base_layer

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Not offered: codes that clip at ±1 cannot be told apart again by `unmerge`.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "A ternary adapter is not merged in place, as it could not be taken out again. Use "
            "merge_ternary_adapter(model), which returns the ternary model without adapters."
        )

    def unmerge(self) -> None:
        """Nothing is ever merged in place."""

    def _of_this_layer(self, adapter_names: list[str] | None) -> list[str]:
        asked = self.active_adapters if adapter_names is None else adapter_names
        return [name for name in asked if name in self.ternary_lora_A]

    def _whole(self, name: str) -> _WholeFactors:
        factors = self.factors[name]
        return _WholeFactors(
            *whole_factor(self.ternary_lora_A[name], factors),
            *whole_factor(self.ternary_lora_B[name], factors),
        )

    def _merged(self, codes: Tensor, wholes: dict[str, _WholeFactors]) -> Tensor:
        for name, whole in wholes.items():
            unit = whole.unit_a * whole.unit_b
            codes = codes + ternary_update(
                whole.a, whole.b, unit, self.strength[name], self.rounding[name]
            )
        return codes.clamp(-1, 1)


class TernaryLoraModel(BaseTuner):
    """PEFT's side of ternary adapters: finds the ternary layers and puts `TernaryLoraLinear` over them."""

    prefix = "ternary_lora_"
    tuner_layer_cls = TernaryLoraLinear
    target_module_mapping: dict[str, list[str]] = {}

    def _prepare_model(self, peft_config: TernaryLoraConfig, model: nn.Module) -> None:
        if peft_config.target_modules != "all-linear":
            return
        ternary = {name.removesuffix(".base_layer") for name in layers_with_codes(model)}
        if not ternary:
            raise ValueError(
                f"TernaryLoraConfig: {type(model).__name__} has no ternary layers. Load it with load_ternary, or convert "
                "it with replace_linear_with_bitlinear."
            )
        peft_config.target_modules = ternary  # type: ignore[assignment]

    def _create_and_replace(
        self,
        peft_config: TernaryLoraConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        if isinstance(target, TernaryLoraLinear):
            target.update_layer(adapter_name, peft_config)
            return
        if not isinstance(target, TernaryLayer):
            raise ValueError(
                f"TernaryLoraConfig: {current_key} is a {type(target).__name__}, which has no codes to move. Leave it out "
                "of target_modules; modules_to_save trains dense modules whole."
            )
        layer = TernaryLoraLinear(target, adapter_name, peft_config)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """PEFT enters it around each forward; without this it would drop `adapter_names` and say nothing."""
        if kwargs.get("adapter_names") is not None:
            raise ValueError(
                "adapter_names: ternary adapters move the codes of the whole layer, so one batch cannot mix them. Call "
                "model.set_adapter(name), and the model once for each adapter."
            )
        yield

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        """PEFT's own sets `new_module.weight`, which a packed layer does not have."""
        setattr(parent, child_name, new_module)


def merge_ternary_adapter(
    peft_model: PeftModel, adapter_names: list[str] | None = None
) -> PreTrainedModel:
    """Merge ternary adapters into the codes of their base: the logits stay the same to the bit.

    As PEFT's `merge_and_unload`, it takes the adapters off the base that `peft_model` wraps, which has other codes then.

    Args:
        peft_model: A model with adapters of `TernaryLoraConfig`.
        adapter_names: Which adapters. Default: the active ones.

    Returns:
        The ternary model without adapters, its layers packed or `BitLinear158` as before; `modules_to_save` included.

    Raises:
        ValueError: The model has no ternary adapters, or none of such a name.

    Example:
        >>> trainer = TernarySFTTrainer(path, peft_config=TernaryLoraConfig(), train_dataset=rows)
        >>> trainer.train()
        >>> save_ternary(merge_ternary_adapter(trainer.model), "merged")
    """
    tuner = getattr(peft_model, "base_model", None)
    if not isinstance(tuner, TernaryLoraModel):
        raise ValueError(
            f"merge_ternary_adapter merges adapters of TernaryLoraConfig; this {type(peft_model).__name__} has none. "
            "merge_to_ternary(model, train_dataset) brings LoRA and its kin back to the grid."
        )
    unknown = sorted(set(adapter_names or []) - tuner.peft_config.keys())
    if unknown:
        raise ValueError(
            f"There is no adapter {unknown[0]!r}; the model has {', '.join(sorted(tuner.peft_config))}."
        )
    names = tuner.active_adapters if adapter_names is None else adapter_names
    merged: PreTrainedModel = tuner.merge_and_unload(adapter_names=names)
    return merged


if PEFT_TYPE not in PEFT_TYPE_TO_TUNER_MAPPING:
    # register_peft_method takes only the types of PEFT's own enumeration, whose members are strings, as this is one.
    PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = TernaryLoraConfig
    PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = TernaryLoraModel
    PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] = TernaryLoraModel.prefix
