"""The model by path or Hub id, in any form that `load_ternary` reads, before TRL gets to wrap it.

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

from bitsft.checkpoint.load import load_ternary
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.pack import CODES_PER_BYTE
from bitsft.ternary.quantize import Granularity
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


def check_granularity(model: nn.Module, granularity: Granularity) -> None:
    """Layers that were ternary before keep their scales; refuse a `"row"` that they do not have.

    Args:
        model: A model with `BitLinear158` layers.
        granularity: The trainer's option.

    Raises:
        ValueError: `"row"` was asked for, and a layer has one scale per matrix.
    """
    for name, layer in ternary_layers(model).items():
        if layer.granularity == granularity:
            continue
        if granularity == "row":
            raise ValueError(
                f"granularity='row', but {name} was ternary before, with one scale per matrix, which it keeps. Pass the "
                "model before its conversion, or convert it with replace_linear_with_bitlinear(model, "
                "granularity='row')."
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
