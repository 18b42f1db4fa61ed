"""A checkpoint checked against its model before any weight is read.

The model is built on the meta device, and transformers loads tensors without values into it: it names, ties,
converts and stacks them as it will the real ones, so its report says exactly what is missing, left over or of
another shape. transformers itself would only warn of that and leave random weights. The same outline shows which
layers become ternary (outlined_layers.py).

transformers does not see the quantization_config here: its own layers are not wanted.

Limit: tensors renamed on loading by more than a prefix are refused where they are packed.
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
from transformers import (
    AutoConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from bitsft.checkpoint.files import CheckpointFiles, open_checkpoint, read_config
from bitsft.checkpoint.model_class import model_class
from bitsft.checkpoint.outlined_layers import make_ternary, where
from bitsft.checkpoint.scale_convention import ScaleConvention
from bitsft.checkpoint.stored_form import stored_form
from bitsft.checkpoint.stored_tensors import StoredForm
from bitsft.ternary.quantize import Granularity
from bitsft.ternary.replace import FilterFn

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
    class_of_model = model_class(config, folder, trust_remote_code)

    def from_pretrained(state_dict: Any, **options: Any) -> Any:
        return class_of_model.from_pretrained(
            None, config=config, state_dict=state_dict, dtype=dtype, **{**model_kwargs, **options}
        )

    with _dry_run(files, class_of_model):
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
        ternary = make_ternary(
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
            f"{where(files, name)} has shape {tuple(found)}, but {kind} needs {tuple(needed)} as config.json describes "
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
            f"{where(files, unexpected[0])} has no place in {kind}; in all it has none for {len(unexpected)} tensors: "
            f"{_listed(unexpected)}. config.json is another model's, or describes fewer layers; pass key_mapping if "
            "only the names differ."
        )


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
