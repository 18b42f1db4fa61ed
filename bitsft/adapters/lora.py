"""How adapters stand over ternary layers: PEFT's own LoRA layer, which cannot be merged.

    y = ternary_layer(x) + scaling · lora_B(lora_A(dropout(x)))

W + ΔW is not on the grid. Merged into latent weights it would be rounded again, and most of the adapter lost (23 % off in the
logits); packed layers have no weights to merge into. So each way into a merge raises and says what works instead:

    merge() of one layer                       `TernaryBaseLoraLinear`, which `use_ternary_lora` puts into a LoRA's config
    merge_adapter(), merge_and_unload()        `refuse_merging`, of any method of PEFT, before anything is touched
    stock PEFT over packed layers              their weight refuses to be written to (ternary/read_only_weight.py)

Limits: stock `PeftModel.from_pretrained` over *trainable* `BitLinear158` layers is not guarded, as their weights are
ordinary parameters: load the base with `load_ternary(path, trainable=False)`, or everything with `load_adapter`.
"""

import types
from typing import Any, NoReturn

from peft import LoraConfig, PeftConfig, PeftModel
from peft.tuners import lora
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer
from torch import nn

from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.ternary.read_only_weight import WAYS_TO_USE_AN_ADAPTER


class TernaryBaseLoraLinear(lora.Linear):
    """`peft.tuners.lora.Linear`, variants (DoRA, …) included, over a ternary layer."""

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Refused, as long as the base layer is ternary.

        Raises:
            ValueError: Always over a ternary layer; nothing is touched.
        """
        if stands_over_ternary_layer(self):
            _refuse("merge()")
        super().merge(safe_merge, adapter_names)


def use_ternary_lora(config: PeftConfig) -> None:
    """Have PEFT make `TernaryBaseLoraLinear` over ternary layers with this config; others stay as they are.

    Args:
        config: Changed in place if it is a LoRA's that names no layers of its own for them. What it is told is not saved.
    """
    if not isinstance(config, LoraConfig):
        return
    given = config._custom_modules or {}
    for kind in (BitLinear158, PackedLinear158):
        if kind not in given:
            config._register_custom_module({kind: TernaryBaseLoraLinear})


def refuse_merging(model: PeftModel) -> None:
    """Make `merge_adapter()` and `merge_and_unload()` of a model raise while adapters stand over ternary layers.

    Args:
        model: Only its tuner object is told; copies of it are, too. Prompts have nothing to merge.
    """
    tuner = model.base_model
    if isinstance(tuner, BaseTuner):
        check = types.MethodType(_check_merge_allowed, tuner)
        object.__setattr__(tuner, "_check_merge_allowed", check)


def stands_over_ternary_layer(module: nn.Module) -> bool:
    """Whether a module is an adapter over a ternary layer."""
    return isinstance(module, BaseTunerLayer) and isinstance(
        module.get_base_layer(), BitLinear158 | PackedLinear158
    )


def _check_merge_allowed(tuner: Any) -> None:
    """PEFT asks it before it merges anything. Adapters that lie on the grid themselves (ternary_lora.py) may."""
    if any(
        stands_over_ternary_layer(module) and not getattr(module, "merges_exactly", False)
        for module in tuner.modules()
    ):
        _refuse("merge_adapter() and merge_and_unload()")
    type(tuner)._check_merge_allowed(tuner)


def _refuse(what: str) -> NoReturn:
    raise ValueError(
        f"{what} cannot work over ternary layers: base plus adapter is not γ·{{-1, 0, 1}}, and rounding it again would lose "
        f"most of the adapter. {WAYS_TO_USE_AN_ADAPTER}"
    )
