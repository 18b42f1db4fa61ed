"""Which layers of a checkpoint's outline become ternary; config.json and the tensors have to agree on them.

    packed   those with a weight_scale; config.json has to mean the same ones
    online   those that the installed transformers would convert
    dense    all that replace_linear_with_bitlinear takes

Limit: packed weights that transformers would stack (experts in one parameter) are refused, as it cannot read them either.
"""

from typing import Any

from torch import nn
from transformers import PreTrainedModel
from transformers.quantizers.quantizer_bitnet import BitNetHfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from bitsft.checkpoint.files import CheckpointFiles
from bitsft.checkpoint.stored_tensors import StoredForm
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.replace import FilterFn, replace_linear_with_bitlinear


def make_ternary(
    model: PreTrainedModel,
    files: CheckpointFiles,
    form: StoredForm,
    filter_fn: FilterFn | None,
    **options: Any,
) -> frozenset[str]:
    """Make the outline's layers ternary that are so in the checkpoint.

    Args:
        model: The outline.
        files: The checkpoint's files.
        form: How its ternary weights are stored.
        filter_fn: Which of them the caller wants, or None for all.
        options: Of `replace_linear_with_bitlinear`.

    Returns:
        The names of the ternary layers.

    Raises:
        ValueError: config.json and the tensors do not mean the same layers, or one that bitsft keeps in full precision.
    """
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
            f"{where(files, name + '.weight')}: this layer is ternary in the checkpoint, but bitsft keeps it in full "
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
        f"{where(files, layer + '.weight')} is packed, but the model has no linear layer {layer!r} of its own (experts "
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
            f"{where(files, name + '.weight')} is not packed, but {config} says so: it does not stand in "
            f"modules_to_not_convert. {_MIXED}"
        )
    for name in sorted(packed - allowed):
        raise ValueError(
            f"{where(files, name + '.weight')} is packed, but modules_to_not_convert in {config} keeps {name} in full "
            f"precision. {_MIXED}"
        )


_MIXED = "Fetch weights and config.json again from one place, or correct modules_to_not_convert."


def where(files: CheckpointFiles, tensor: str) -> str:
    """File and tensor for messages, given a name as the model has it."""
    for name in (
        tensor,
        *(n for n in files.names if n.endswith(f".{tensor}") or tensor.endswith(f".{n}")),
    ):
        if name in files:
            return f"{files.file_of(name)}: tensor {name!r}"
    return f"{files.directory}: tensor {tensor!r}"
