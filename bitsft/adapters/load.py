"""`load_adapter`: an adapter onto the packed ternary base that it was trained on, in one call.

    base    None (the one that the adapter names), a folder, a Hub id, or a model that is loaded already
    adapter a folder with adapter_config.json and ternary_base.json, or a Hub id

The base is checked before anything is put over it: an adapter on another base than its own computes nonsense and says nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel
from transformers import PreTrainedModel

from bitsft.adapters.base_identity import BASE_FILE, TernaryBase, check_base, read_base
from bitsft.adapters.lora import refuse_merging, use_ternary_lora
from bitsft.checkpoint.files import open_checkpoint, read_config
from bitsft.checkpoint.hub_folder import model_folder
from bitsft.checkpoint.load import load_ternary
from bitsft.checkpoint.stored_form import stored_form

ADAPTER_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"


def load_adapter(
    base: PreTrainedModel | PeftModel | str | os.PathLike[str] | None,
    adapter: str | os.PathLike[str],
    *,
    adapter_name: str = "default",
    is_trainable: bool = False,
    **load_options: Any,
) -> PeftModel:
    """Load an adapter that `TernarySFTTrainer` saved, and its base where it is not loaded yet.

    Args:
        base: None takes the base that the adapter names. A folder or Hub id is loaded packed
            (`load_ternary(base, trainable=False)`). A model is used as it is, and changed in place as PEFT does; one
            that carries adapters already gets this one beside them (`model.set_adapter(name)` chooses).
        adapter: The adapter's folder, or its id on the Hugging Face Hub.
        adapter_name: What PEFT is to call it.
        is_trainable: Whether to go on training it; the base stays frozen.
        **load_options: More for `load_ternary` (`codes_in_memory`, `dtype`, `device_map`, `trust_remote_code`, …), where
            the base is not a model yet.

    Returns:
        The base with the adapter, in evaluation mode unless `is_trainable`.

    Raises:
        FileNotFoundError: No such folder or Hub model, or no adapter in it.
        TypeError: `base` is none of these.
        ValueError: The base is not the one that the adapter was trained on; `ternary_base.json` is missing or damaged; the
            adapter's name is taken; options for loading with a model that is loaded already.
    """
    folder = _adapter_folder(adapter)
    needed = read_base(folder)
    if needed is None:
        raise ValueError(
            f"{folder} has no {BASE_FILE}, so the base that its adapter was trained on is unknown: it was not saved by "
            "TernarySFTTrainer, or the file was lost. An adapter of a full-precision base does not fit a ternary one; if you "
            "know that it was trained on this base, use PeftModel.from_pretrained(base, adapter)."
        )
    if isinstance(base, PreTrainedModel | PeftModel):
        if load_options:
            raise ValueError(
                f"{', '.join(load_options)}: options for loading, but the base is a model already. Leave them out, or pass "
                "the base's path."
            )
    elif base is not None and not isinstance(base, str | os.PathLike):
        raise TypeError(
            f"base is a {type(base).__name__}; pass a transformers model, a path or None."
        )
    else:
        where = base_path(folder) if base is None else base
        base = load_ternary(where, **_as_trained(where, needed, load_options))
    check_base(needed, base, str(adapter))
    config = PeftConfig.from_pretrained(str(folder))
    use_ternary_lora(config)
    if isinstance(base, PeftModel):
        if adapter_name in base.peft_config:
            raise ValueError(
                f"The model has an adapter {adapter_name!r} already; give this one another adapter_name."
            )
        config.inference_mode = not is_trainable
        base.add_adapter(adapter_name, config)
        try:
            base.load_adapter(str(folder), adapter_name, is_trainable=is_trainable)  # its weights
        except BaseException:
            base.delete_adapter(adapter_name)  # random weights must not stay under its name
            raise
        if is_trainable and not config.is_prompt_learning:
            base.set_requires_grad(adapter_name)
        refuse_merging(base)
        return base
    model = PeftModel.from_pretrained(
        base, str(folder), adapter_name=adapter_name, is_trainable=is_trainable, config=config
    )
    refuse_merging(model)
    return model


def base_path(folder: Path) -> str:
    """The base that an adapter's folder names: as it was called in training, or beside the adapter.

    Raises:
        ValueError: It names none.
    """
    named = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not named:
        raise ValueError(
            f"{folder / ADAPTER_CONFIG} names no base model. Pass its path: load_adapter(base, adapter)."
        )
    beside = folder / named
    return str(beside if beside.is_dir() and not Path(named).is_dir() else named)


def stored_kind(base: str | os.PathLike[str], load_options: Mapping[str, Any]) -> str:
    """How a base stores its ternary weights: `StoredForm.kind`.

    Args:
        base: A folder or Hub id.
        load_options: Those of `load_ternary`.
    """
    # load_ternary downloads anew where force_download says so
    where = ("revision", "token", "cache_dir", "local_files_only")
    download = {name: load_options[name] for name in where if name in load_options}
    folder = model_folder(base, **download)
    convention = load_options.get("scale_convention")
    return stored_form(open_checkpoint(folder), read_config(folder), convention).kind


def _adapter_folder(adapter: str | os.PathLike[str]) -> Path:
    folder = model_folder(adapter, beside=(_WEIGHTS,))
    if not (folder / ADAPTER_CONFIG).is_file():
        found = "is no folder" if not folder.is_dir() else f"holds no {ADAPTER_CONFIG}"
        raise FileNotFoundError(
            f"{folder} {found}; pass the folder that trainer.save_model() wrote an adapter to."
        )
    return folder


def _as_trained(
    base: str | os.PathLike[str], needed: TernaryBase, given: dict[str, Any]
) -> dict[str, Any]:
    """Options that make of a full-precision checkpoint the ternary base that the trainer made of it."""
    options: dict[str, Any] = {"trainable": False, **given}
    if stored_kind(base, given) != "dense":
        return options
    identity = needed.identity
    options.setdefault("filter_fn", lambda module, name: name in identity.scales)
    if identity.granularity != "mixed":
        options.setdefault("granularity", identity.granularity)
    if identity.activation_bits != "mixed":
        options.setdefault("activation_bits", identity.activation_bits)
    return options
