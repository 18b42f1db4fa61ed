"""The class of a checkpoint's model, chosen as TRL does."""

from pathlib import Path

import transformers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module


def model_class(
    config: PreTrainedConfig, folder: Path, trust_remote_code: bool
) -> type[PreTrainedModel]:
    """The class that config.json names; else code in the folder; else a causal LM.

    Args:
        config: The model's configuration.
        folder: The checkpoint.
        trust_remote_code: Whether code in it may be run.

    Raises:
        ValueError: There is none.
    """
    name = (config.architectures or [""])[0]
    named = getattr(transformers, name, None) if name else None
    if isinstance(named, type) and issubclass(named, PreTrainedModel):
        return named
    auto_map = vars(config).get("auto_map") or {}
    for auto_class in ("AutoModelForImageTextToText", "AutoModelForCausalLM"):
        if auto_class in auto_map and trust_remote_code:
            remote = get_class_from_dynamic_module(auto_map[auto_class], str(folder))
            remote.register_for_auto_class(auto_class)  # so that it is saved with its code
            return remote
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    remedy = (
        "Its code lies in the checkpoint: read it, then pass trust_remote_code=True."
        if auto_map
        else "Check architectures and model_type in config.json, or update transformers."
    )
    raise ValueError(
        f"{folder / 'config.json'}: transformers {transformers.__version__} has no model {name!r} (model_type "
        f"{config.model_type!r}). {remedy}"
    )
