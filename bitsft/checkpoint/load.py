"""`load_ternary`: any ternary checkpoint, or a full-precision one, as a model that can be trained.

    1  open the files; read their headers and the scales                   files.py, stored_form.py
    2  check them against the model; decide which layers become ternary    outline.py
    3  let transformers load the values: γ·codes for packed layers, each made when its turn comes
    4  turn exactly the layers that are ternary in the checkpoint into BitLinear158

With `trainable=False` steps 3 and 4 make packed layers straight from the files (load_packed.py).

transformers names, ties, converts and places the tensors, so any architecture of its can be read. It does not see
the quantization_config: its own unpacking needs a C++ compiler, and fails for `autobitlinear` offline in
transformers 5.0 to 5.12.1. Memory: the loaded model and the few tensors in conversion (it uses four threads).

γ of a packed `bitlinear` layer is the float32 number whose reciprocal is the stored one, where it exists: forward
divides by 1/γ, so in float32 the logits are those of stock transformers to the bit.

Limits: layers may not be spread over devices (they could not be replaced); a custom generate function beside
remote code is not picked up.
"""

import logging
import math
import os
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import GenerationConfig, PreTrainedModel

from bitsft.checkpoint.hub_folder import model_folder
from bitsft.checkpoint.layer_weight import give_weight
from bitsft.checkpoint.load_packed import load_packed, single_device
from bitsft.checkpoint.names_in_files import names_in_files
from bitsft.checkpoint.outline import TernaryCheckpoint, open_ternary
from bitsft.checkpoint.scale_convention import ScaleConvention
from bitsft.ternary.linear import BitLinear158
from bitsft.ternary.packed_linear import CodesInMemory, check_codes_in_memory
from bitsft.ternary.packed_model import pack_model
from bitsft.ternary.quantize import Granularity
from bitsft.ternary.replace import FilterFn

logger = logging.getLogger(__name__)

_DOWNLOAD = ("token", "cache_dir", "force_download", "local_files_only")


def load_ternary(
    path_or_hub_id: str | os.PathLike[str],
    *,
    trainable: bool = True,
    codes_in_memory: CodesInMemory = "packed",
    dtype: torch.dtype | str | None = torch.float32,
    revision: str | None = None,
    trust_remote_code: bool = False,
    filter_fn: FilterFn | None = None,
    activation_bits: int | None = 8,
    granularity: Granularity = "tensor",
    scale_convention: ScaleConvention | None = None,
    device_map: Any = None,
    **model_kwargs: Any,
) -> PreTrainedModel:
    """Load a checkpoint as a trainable model with `BitLinear158` layers, or as a frozen one with packed layers.

    Packed checkpoints come back on the grid (the weight is exactly γ·codes), master weights and full-precision
    models as latent weights. The layers that are ternary in the checkpoint become ternary, and no others; of a
    full-precision model, those that `replace_linear_with_bitlinear` takes.

    Args:
        path_or_hub_id: A folder, or the id of a model on the Hugging Face Hub, which is then downloaded.
        trainable: False gives a frozen model for adapters, generation or export: `PackedLinear158` layers of a quarter
            of a byte a weight, everything else without gradients. Its logits in float32 are those of the trainable one
            to the bit.
        codes_in_memory: With `trainable=False`: `"packed"`, or `"int8"` for a byte a weight that need not be unpacked
            (see `pack_model`).
        dtype: float32, bfloat16 or float16 (also as a string), or `"auto"` for the one in config.json. The short
            ones round γ, and the codes of master weights that are stored in float32; that is logged. With
            `trainable=False` the ternary layers keep the files' codes and γ, and only the others take it.
        revision: Branch, tag or commit on the Hub.
        trust_remote_code: Allow model code that lies in the checkpoint.
        filter_fn: `filter_fn(module, full_name) -> bool`; False keeps a layer dense that would become ternary.
            The module's weight is on the meta device. Default: none is kept.
        activation_bits: See `replace_linear_with_bitlinear`.
        granularity: See `replace_linear_with_bitlinear`; a checkpoint that was saved with a scale per row keeps it.
        scale_convention: `"divide"` or `"multiply"`: what a packed checkpoint's weight_scale does, where its
            config.json is wrong.
        device_map: As in `from_pretrained`, but one device.
        **model_kwargs: More for `from_pretrained` (`attn_implementation`, `key_mapping`, values of the config, …)
            or for the download (`token`, `cache_dir`, `force_download`, `local_files_only`).

    Returns:
        The model, in evaluation mode as from `from_pretrained`. Its weights require gradients if it is `trainable`, and
        its config has no quantization_config.

    Raises:
        FileNotFoundError: No such folder or Hub model, no weights, a missing shard, no config.json.
        ValueError: Damaged or mixed-up files; config.json and tensors disagree; scales in the other convention;
            tensors that the model lacks, that it needs or that do not fit it; a layer that is ternary in the
            checkpoint but cannot be in bitsft (an output head, a router); an option that does not apply.
    """
    check_codes_in_memory(codes_in_memory)
    if trainable and codes_in_memory != "packed":
        raise ValueError(
            f"codes_in_memory={codes_in_memory!r} is for frozen models; pass trainable=False, too, or leave it out."
        )
    download = {name: model_kwargs.pop(name) for name in _DOWNLOAD if name in model_kwargs}
    folder = model_folder(path_or_hub_id, revision=revision, **download)
    checkpoint = open_ternary(
        folder,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        filter_fn=filter_fn,
        activation_bits=activation_bits,
        granularity=granularity,
        scale_convention=scale_convention,
        **model_kwargs,
    )
    if trainable:
        model = _trainable(checkpoint, device_map)
    else:
        model = _frozen(checkpoint, codes_in_memory, device_map)
    logger.info("%s: %d ternary layers loaded", type(model).__name__, len(checkpoint.ternary))
    if model.can_generate() and model_kwargs.get("generation_config") is None:
        model.generation_config = _generation_config(folder)
    model.name_or_path = model.config.name_or_path = str(path_or_hub_id)
    return model


def _trainable(checkpoint: TernaryCheckpoint, device_map: Any) -> PreTrainedModel:
    warn_of_rounding(checkpoint)
    tensors = checkpoint.form.tensors(checkpoint.files, checkpoint.dtype)
    model: PreTrainedModel = checkpoint.from_pretrained(tensors, device_map=device_map)
    _tie_where_forgotten(model)
    _take_ternary_layers(model, checkpoint)
    return model


def _frozen(
    checkpoint: TernaryCheckpoint, codes_in_memory: CodesInMemory, device_map: Any
) -> PreTrainedModel:
    device = None if device_map is None else single_device(device_map)
    weights = [f"{layer}.weight" for layer in checkpoint.ternary]
    names = names_in_files(checkpoint, weights)
    if names is None:
        logger.warning(
            "%s: transformers renames its tensors on loading, so the whole model is loaded before it is packed.",
            checkpoint.files.directory,
        )
        model = _trainable(checkpoint, None)
        pack_model(model, codes_in_memory)
    else:
        model = load_packed(checkpoint, names, codes_in_memory)
        _tie_where_forgotten(model)
    model.requires_grad_(False)
    return model if device is None else model.to(device)


def _tie_where_forgotten(model: PreTrainedModel) -> None:
    if transformers.__version__ == "5.3.0":
        model.tie_weights()  # it leaves tied embeddings of remote code on the meta device


def _take_ternary_layers(model: PreTrainedModel, checkpoint: TernaryCheckpoint) -> None:
    """Put the outline's ternary layers over the model's parameters."""
    for name, layer in checkpoint.outline.named_modules(remove_duplicate=False):
        if not isinstance(layer, BitLinear158):
            continue
        linear = model.get_submodule(name)
        if "_hf_hook" in vars(linear):
            raise ValueError(
                f"{name}: device_map spreads the model over devices by accelerate hooks, which a ternary layer would "
                "lose. Use device_map=None or one device."
            )
        give_weight(layer, linear.weight, checkpoint, name)
        layer.bias = linear.bias
        model.set_submodule(name, layer.eval())


def warn_of_rounding(checkpoint: TernaryCheckpoint) -> None:
    """Log what loading in the checkpoint's `dtype` changes.

    Raises:
        ValueError: A γ becomes zero or infinite in it.
    """
    files, dtype = checkpoint.files, checkpoint.dtype
    worst, where = 0.0, ""
    for layer, scale in checkpoint.form.scales.items():
        rounded = scale.to(dtype).float()
        if not 0 < rounded < math.inf:
            raise ValueError(
                f"{layer}: γ is {scale.item():.3g}, which {dtype} cannot hold. Load in float32 or bfloat16."
            )
        change = abs(rounded.item() / scale.item() - 1)
        if change > worst:
            worst, where = change, layer
    if worst:
        logger.warning(
            "%s rounds the weight scales γ, by up to %.2f %% (%s), so logits differ a little from the "
            "checkpoint's. Load in float32 to keep them.",
            dtype,
            100 * worst,
            where,
        )
    masters = [
        name for name in (f"{layer}.weight" for layer in checkpoint.ternary) if name in files
    ]
    wider = [name for name in masters if files.dtype(name).itemsize > dtype.itemsize]
    if wider and checkpoint.form.kind == "rows":
        logger.warning(
            "%s rounds the scales of the rows, which are stored in %s, so logits differ a little from the checkpoint's. "
            "Load in float32 to keep them.",
            dtype,
            files.dtype(wider[0]),
        )
    elif wider:
        logger.warning(
            "%s rounds %d master weights, which are stored in %s; where one lies beside a rounding boundary, its "
            "code changes. Load in float32 to keep the codes.",
            dtype,
            len(wider),
            files.dtype(wider[0]),
        )


def _generation_config(folder: Path) -> GenerationConfig:
    """As `from_pretrained` finds it: generation_config.json, else what config.json says of generation."""
    if (folder / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(folder)
    return GenerationConfig.from_pretrained(
        folder, config_file_name="config.json", _from_model_config=True
    )
