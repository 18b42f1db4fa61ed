"""A checkpoint checked against its model before any weight is read.

The model is built on the meta device, and transformers loads tensors without values into it: it names, ties,
converts and stacks them as it will the real ones, so its report says exactly what is missing, left over or of
another shape. transformers itself would only warn of that and leave random weights. The same outline shows which
layers become ternary:

    packed   those with a weight_scale; config.json has to mean the same ones
    online   those that the installed transformers would convert
    dense    all that replace_linear_with_bitlinear takes

transformers does not see the quantization_config here: its own layers are not wanted.

Limits: packed weights that transformers would stack (experts in one parameter) are refused, as it cannot read
them either; so are tensors renamed on loading by more than a prefix.
"""

import copy
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.quantizers.quantizer_bitnet import BitNetHfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module
from transformers.utils import logging as transformers_logging

from bitsft.checkpoint.files import CheckpointFiles, open_checkpoint, read_config
from bitsft.checkpoint.stored_form import ScaleConvention, StoredForm, stored_form
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.quantize import Granularity
from bitsft.ternary.replace import FilterFn, replace_linear_with_bitlinear

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_NOT_HERE = {
    "quantization_config": "ternary weights and other quantization exclude each other",
    "gguf_file": "a GGUF file is made for running; load the checkpoint that it was made from",
    "state_dict": "the weights come from the folder",
    "subfolder": "pass the path of the folder that holds config.json",
    "variant": "pass a folder whose weights are named model*.safetensors",
}


@dataclass(frozen=True)
class TernaryCheckpoint:
    """A checkpoint that was checked against its model; no weights are in memory.

    Attributes:
        files: Its files.
        form: How its ternary weights are stored.
        outline: The model on the meta device; its ternary layers are `BitLinear158` already.
        ternary: Names of those layers.
        dtype: Of the model to load.
        from_pretrained: `from_pretrained(state_dict, **options)` of the model's class, with its config.
    """

    files: CheckpointFiles
    form: StoredForm
    outline: PreTrainedModel
    ternary: frozenset[str]
    dtype: torch.dtype
    from_pretrained: Callable[..., Any]


def open_ternary(
    directory: str | os.PathLike[str],
    *,
    dtype: torch.dtype | str | None = torch.float32,
    trust_remote_code: bool = False,
    filter_fn: FilterFn | None = None,
    activation_bits: int | None = 8,
    granularity: Granularity = "tensor",
    scale_convention: ScaleConvention | None = None,
    **model_kwargs: Any,
) -> TernaryCheckpoint:
    """Open a checkpoint and check it against its model; of the weights only the scales are read.

    Arguments and exceptions are those of `load_ternary`, for a folder.

    Returns:
        The checkpoint, ready to be loaded, or to be read layer by layer.
    """
    for name, reason in _NOT_HERE.items():
        if model_kwargs.pop(name, None) is not None:
            raise ValueError(f"load_ternary takes no {name}: {reason}.")
    folder = Path(directory)
    files = open_checkpoint(folder)
    raw_config = read_config(folder)
    form = stored_form(files, raw_config, scale_convention)
    dtype = _dtype(dtype, raw_config)
    config = model_kwargs.pop("config", None)
    if not isinstance(config, PreTrainedConfig):
        config, model_kwargs = AutoConfig.from_pretrained(
            folder if config is None else config,
            trust_remote_code=trust_remote_code,
            return_unused_kwargs=True,
            **model_kwargs,
        )
    config = copy.deepcopy(config)
    vars(config).pop("quantization_config", None)
    model_class = _model_class(config, folder, trust_remote_code)

    def from_pretrained(state_dict: Any, **options: Any) -> Any:
        return model_class.from_pretrained(
            None, config=config, state_dict=state_dict, dtype=dtype, **{**model_kwargs, **options}
        )

    with _dry_run(files, model_class):
        outline, report = from_pretrained(
            {
                name: torch.empty(tensor.get_shape(), dtype=dtype, device="meta")
                for name, tensor in form.tensors(files, dtype).items()
            },
            device_map={"": "meta"},
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        if model_kwargs.get("ignore_mismatched_sizes"):
            report["mismatched_keys"] = set()
        _check_every_tensor_has_a_place(files, outline, report)
        ternary = _make_ternary(
            outline,
            files,
            form,
            filter_fn,
            activation_bits=activation_bits,
            granularity="row" if form.kind == "rows" else granularity,
        )
    return TernaryCheckpoint(files, form, outline, ternary, dtype, from_pretrained)


def _dtype(dtype: torch.dtype | str | None, config: dict[str, Any]) -> torch.dtype:
    if dtype in (None, "auto"):
        dtype = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    if isinstance(dtype, str):
        dtype = _DTYPES.get(dtype.removeprefix("torch."), dtype)
    if dtype not in _DTYPES.values():
        raise ValueError(f"dtype is {dtype!r}; use one of {', '.join(_DTYPES)} or 'auto'.")
    return dtype  # type: ignore[return-value]


def _model_class(
    config: PreTrainedConfig, folder: Path, trust_remote_code: bool
) -> type[PreTrainedModel]:
    """The class that config.json names, as TRL chooses it; else code in the folder; else a causal LM."""
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


@contextmanager
def _dry_run(files: CheckpointFiles, model_class: type[PreTrainedModel]) -> Iterator[None]:
    """Inside, transformers and bitsft keep their bars and reports to themselves: the real load has its own."""
    reports: list[str] = []

    def withhold(record: logging.LogRecord) -> bool:
        reports.append(record.getMessage())
        return "LOAD REPORT" not in reports[-1] and "made ternary" not in reports[-1]

    names = ("transformers.modeling_utils", "bitsft.ternary.replace")
    loggers = [logging.getLogger(name) for name in names]
    shown = transformers_logging.is_progress_bar_enabled()
    try:
        for logger in loggers:
            logger.addFilter(withhold)
        if shown:
            transformers_logging.disable_progress_bar()
        yield
    except RuntimeError as error:
        if "conversion of the weights" not in str(error):
            raise
        failed = re.findall(r"^([\w.]+)\s*\|.*CONVERSION", "\n".join(reports), re.MULTILINE)
        raise ValueError(
            f"{files.directory}: the tensors that {model_class.__name__} puts together into "
            f"{', '.join(failed[:5]) or 'one'} do not fit each other; some of them are missing or of another shape. "
            "Fetch the files again, or check the sizes in config.json."
        ) from error
    finally:
        for logger in loggers:
            logger.removeFilter(withhold)
        if shown:
            transformers_logging.enable_progress_bar()


def _check_every_tensor_has_a_place(
    files: CheckpointFiles, model: PreTrainedModel, report: dict[str, Any]
) -> None:
    kind = type(model).__name__
    for name, found, needed in sorted(report["mismatched_keys"]):
        raise ValueError(
            f"{_where(files, name)} has shape {tuple(found)}, but {kind} needs {tuple(needed)} as config.json describes "
            "it (packed weights count four rows a byte). Weights and config.json are not of one model."
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(
            f"{files.directory} lacks {_listed(missing)}, which {kind} needs: {len(missing)} of its tensors would stay "
            f"random. The files are incomplete, or config.json is another model's. They hold {len(files.names)} tensors, "
            f"from {files.names[0]!r} to {files.names[-1]!r}."
        )
    unexpected = sorted(report["unexpected_keys"])
    if unexpected:
        raise ValueError(
            f"{_where(files, unexpected[0])} has no place in {kind}; in all it has none for {len(unexpected)} tensors: "
            f"{_listed(unexpected)}. config.json is another model's, or describes fewer layers; pass key_mapping if "
            "only the names differ."
        )


def _make_ternary(
    model: PreTrainedModel,
    files: CheckpointFiles,
    form: StoredForm,
    filter_fn: FilterFn | None,
    **options: Any,
) -> frozenset[str]:
    """Make the outline's layers ternary that are so in the checkpoint; their names."""
    linear = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    meant = set(linear) if form.kind == "dense" else _converted_by_transformers(model, form)
    packed = {_module_name(layer, linear, files) for layer in form.scales}
    stored = packed if form.scales else meant
    if form.kind == "online" and not stored:
        raise ValueError(
            f"{files.directory / 'config.json'}: modules_to_not_convert leaves no linear layer to be ternary."
        )
    asked = set()

    def choose(module: nn.Module, name: str) -> bool:
        asked.add(name)
        return name in stored and (filter_fn is None or filter_fn(module, name))

    replace_linear_with_bitlinear(model, filter_fn=choose, **options)
    if form.scales:
        _check_config_means(packed, meant & asked, meant, files)
    for name in sorted(set() if form.kind == "dense" else stored - asked):
        raise ValueError(
            f"{_where(files, name + '.weight')}: this layer is ternary in the checkpoint, but bitsft keeps it in full "
            "precision (output head, embedding, router). If it was not trained so, name it in modules_to_not_convert "
            f"in {files.directory / 'config.json'}; if it was, keep stock transformers."
        )
    return frozenset(ternary_layers(model))


def _module_name(layer: str, linear: dict[str, nn.Linear], files: CheckpointFiles) -> str:
    """The model's layer for one of the file; they differ by a prefix where a base model was saved, say."""
    if layer in linear:
        return layer
    alike = [n for n in linear if n.endswith(f".{layer}") or layer.endswith(f".{n}")]
    if len(alike) == 1:
        return alike[0]
    raise ValueError(
        f"{_where(files, layer + '.weight')} is packed, but the model has no linear layer {layer!r} of its own (experts "
        "in one parameter, for example). Dequantize it with the library that packed it, and load that."
    )


def _converted_by_transformers(model: PreTrainedModel, form: StoredForm) -> set[str]:
    """Layers that the installed transformers makes ternary with this quantization_config."""
    patterns = BitNetHfQuantizer.get_modules_to_not_convert(
        model,
        form.quantization_config.get("modules_to_not_convert"),
        model._keep_in_fp32_modules,
    )
    return {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and should_convert_module(name, patterns)
    }


def _check_config_means(
    packed: set[str], needed: set[str], allowed: set[str], files: CheckpointFiles
) -> None:
    config = files.directory / "config.json"
    for name in sorted(needed - packed):
        raise ValueError(
            f"{_where(files, name + '.weight')} is not packed, but {config} says so: it does not stand in "
            f"modules_to_not_convert. {_MIXED}"
        )
    for name in sorted(packed - allowed):
        raise ValueError(
            f"{_where(files, name + '.weight')} is packed, but modules_to_not_convert in {config} keeps {name} in full "
            f"precision. {_MIXED}"
        )


_MIXED = "Fetch weights and config.json again from one place, or correct modules_to_not_convert."


def _where(files: CheckpointFiles, tensor: str) -> str:
    """File and tensor, for a name as the model has it."""
    for name in (
        tensor,
        *(n for n in files.names if n.endswith(f".{tensor}") or tensor.endswith(f".{n}")),
    ):
        if name in files:
            return f"{files.file_of(name)}: tensor {name!r}"
    return f"{files.directory}: tensor {tensor!r}"


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
