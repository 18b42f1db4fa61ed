"""The trainer's model, ternary before TRL gets to wrap it.

    load_model            by path or Hub id, in any form that `load_ternary` reads
    make_layers_ternary   an object, changed in place

TRL loads, wraps with PEFT and fuses the head in one constructor; ternary layers have to be there in between.
"""

import copy
import logging

from torch import nn
from transformers import (
    AutoProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    set_seed,
)
from trl.trainer.utils import get_config_model_id

from bitsft.adapters.load import stored_kind
from bitsft.adapters.preparation import stays_as_it_is
from bitsft.checkpoint.load import load_ternary
from bitsft.ternary.pack import CODES_PER_BYTE
from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.ternary.quantize import Granularity
from bitsft.ternary.replace import replace_linear_with_bitlinear
from bitsft.training.config import TernarySFTConfig

logger = logging.getLogger(__name__)


def fits_packed_format(module: nn.Module, name: str) -> bool:
    """Whether transformers' packed format can hold this layer once it is ternary."""
    if isinstance(module, nn.Linear) and module.out_features % CODES_PER_BYTE:
        logger.warning(
            "%s stays in full precision: its %d output features are no multiple of %d, which packed "
            "checkpoints need.",
            name,
            module.out_features,
            CODES_PER_BYTE,
        )
        return False
    return True


def make_layers_ternary(model: nn.Module, args: TernarySFTConfig, *, with_adapters: bool) -> None:
    """Make the linear layers of a model object ternary, in place, as the trainer's options say.

    Args:
        model: What the trainer was given. A ternary base of adapters stays as it is.
        args: The trainer's arguments.
        with_adapters: Whether adapters are going to be put over it.

    Raises:
        ValueError: There is nothing to make ternary, or see `check_granularity`.
    """
    if not stays_as_it_is(model, with_adapters=with_adapters):
        replace_linear_with_bitlinear(
            model, filter_fn=fits_packed_format, granularity=args.granularity
        )
    check_granularity(model, args.granularity)


def check_granularity(model: nn.Module, granularity: Granularity) -> None:
    """Layers that were ternary before keep their scales; refuse a `"row"` that they do not have.

    Args:
        model: A model with ternary layers, packed or not.
        granularity: The trainer's option.

    Raises:
        ValueError: `"row"` was asked for, and a layer has one scale per matrix.
    """
    for name, layer in layers_with_codes(model).items():
        if layer.granularity == granularity:
            continue
        if granularity == "row":
            raise ValueError(
                f"granularity='row', but {name} was ternary before, with one scale per matrix (granularity='tensor'), "
                "which it keeps. Leave granularity at 'tensor', pass the model before its conversion, or convert it with "
                "replace_linear_with_bitlinear(model, granularity='row')."
            )
        logger.info("%s was ternary before and keeps its scale per row.", name)


def load_model(
    path: str,
    processing_class: PreTrainedTokenizerBase | ProcessorMixin | None,
    args: TernarySFTConfig,
    *,
    frozen: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | ProcessorMixin, TernarySFTConfig]:
    """Ternary model and tokenizer by path or Hub id, before TRL gets to wrap them.

    `model_init_kwargs` go to `load_ternary`; the dtype is float32 where they name none, as in TRL. With `frozen`, for
    adapters, the model is packed unless they say `trainable=True`.

    Raises:
        ValueError: `model_init_kwargs` ask for another quantization, or `granularity="row"` for a frozen base with one
            scale per matrix.
    """
    set_seed(args.seed)
    options = dict(args.model_init_kwargs or {})
    if options.get("quantization_config") is not None:
        raise ValueError(
            "model_init_kwargs holds a quantization_config; ternary weights and other quantization exclude "
            "each other. Leave it out, or use trl.SFTTrainer for QLoRA."
        )
    if args.distributed_state.distributed_type in ("MULTI_GPU", "DEEPSPEED"):
        options["device_map"] = None
    options.setdefault("trust_remote_code", args.trust_remote_code)
    options.setdefault("granularity", args.granularity)
    options.setdefault("trainable", not frozen)
    is_row = options["granularity"] == "row"
    if frozen and is_row and stored_kind(path, options) in ("packed", "online"):
        raise ValueError(
            f"granularity='row', but {path} is a ternary checkpoint with one scale per matrix (granularity='tensor'), "
            "which it keeps under adapters (peft_config): the base is not trained. Leave granularity at 'tensor', or train "
            "without peft_config, where each row gets a scale of its own."
        )
    model = load_ternary(path, filter_fn=fits_packed_format, **options)
    check_granularity(model, args.granularity)
    if processing_class is None:
        processing_class = AutoProcessor.from_pretrained(
            get_config_model_id(model.config),
            revision=options.get("revision"),
            trust_remote_code=args.trust_remote_code,
        )
    if args.model_init_kwargs is not None:
        args = copy.copy(args)  # TRL warns of options that it did not use itself
        args.model_init_kwargs = None
    return model, processing_class, args
