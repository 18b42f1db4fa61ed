"""The names of parameters as the model without PEFT has them, and which of them PEFT added.

base_model.model.model.layers.0.mlp.up_proj.base_layer.weight         model.layers.0.mlp.up_proj.weight
base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight     model.layers.0.mlp.up_proj.lora_A.default.weight
base_model.model.lm_head.original_module.weight                       lm_head.weight
"""

from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn

from bitsft.checkpoint.identity import name_without_adapters
from bitsft.ternary.packed_linear import PackedLinear158


def parameters_by_base_name(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter by its name in the model without PEFT; tied ones under each of their names.

    Args:
        model: Wrapped by PEFT or not.

    Returns:
        In the model's order. What PEFT added stands below the layer that it belongs to.
    """
    prefix = _base_prefix(model)
    return {
        _base_name(name, prefix): parameter
        for name, parameter in model.named_parameters(remove_duplicate=False)
    }


def packed_weight_names(model: nn.Module) -> list[str]:
    """What the weights of packed layers, which are no parameters, would be called.

    Args:
        model: Wrapped by PEFT or not.
    """
    prefix = _base_prefix(model)
    return [
        f"{_base_name(name, prefix)}.weight"
        for name, module in model.named_modules()
        if isinstance(module, PackedLinear158)
    ]


def adapter_parameters(model: nn.Module) -> set[int]:
    """`id` of every parameter that PEFT added: adapters, prompts, copies in `modules_to_save`.

    Args:
        model: Wrapped by PEFT or not.
    """
    added: set[int] = set()
    of_base: set[int] = set()
    if isinstance(model, PeftModel):
        prefix = _base_prefix(model)
        added |= {id(p) for name, p in model.named_parameters() if not name.startswith(prefix)}
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            wrapped = module.get_base_layer()
        elif isinstance(module, AuxiliaryTrainingWrapper):
            wrapped = module.original_module
        else:
            continue
        added |= {id(p) for p in module.parameters()}
        of_base |= {id(p) for p in wrapped.parameters()}
    return added - of_base


def _base_prefix(model: nn.Module) -> str:
    if not isinstance(model, PeftModel):
        return ""
    base = model.get_base_model()
    return next(name for name, module in model.named_modules() if module is base) + "."


def _base_name(name: str, prefix: str) -> str:
    return name_without_adapters(name.removeprefix(prefix))
