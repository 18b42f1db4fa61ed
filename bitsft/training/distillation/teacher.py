"""The teacher: a model object, or one by path or Hub id, made ready to be asked and never trained.

A teacher by path is loaded as its config says: ternary checkpoints (quant_method "bitnet", packed or with masters) by
`load_ternary`, everything else by transformers, so that a full-precision model stays one. `teacher_model_init_kwargs`
go to the loader. The dtype is bfloat16 or float16 where the student trains in it, else float32, unless they name one;
NF4 is `{"quantization_config": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}}` (needs bitsandbytes).

A teacher object is the caller's: it is put in evaluation mode, its parameters stop requiring gradients, and it moves
to the student's device (unless it is spread over devices, or quantized, and so stays where it is). Nothing else
changes, and nothing is put back.
"""

import os
from typing import Any, cast

import torch
import transformers
from torch import nn
from transformers import AutoConfig, BitsAndBytesConfig, PreTrainedModel
from trl.trainer.utils import create_model_from_path

from bitsft.checkpoint.load import load_ternary
from bitsft.training.config import TernarySFTConfig
from bitsft.training.distillation.output_head import backbone, output_head, unwrapped

Teacher = str | os.PathLike[str] | nn.Module
"""A path, a Hub id, or a model (also one with PEFT adapters)."""
_WHERE = ("revision", "token", "cache_dir", "subfolder", "local_files_only", "force_download")


def check_teacher_is_another(teacher: Teacher, student: Any) -> None:
    """Refuse a teacher that shares parameters with the student; call it before the student becomes ternary.

    Args:
        teacher: As given to the trainer.
        student: The model that will be trained, or its path, which shares nothing.

    Raises:
        ValueError: They are the same object, or share parameters.
    """
    if not isinstance(teacher, nn.Module) or not isinstance(student, nn.Module):
        return
    if teacher is student:
        raise ValueError(
            "teacher_model is the model that is trained: it becomes ternary in place, so there would be nothing "
            "to learn from. Pass copy.deepcopy(model), or the path it was loaded from."
        )
    own = {id(parameter): name for name, parameter in student.named_parameters()}
    for name, parameter in teacher.named_parameters():
        if id(parameter) in own:
            raise ValueError(
                f"teacher_model shares parameters with the model that is trained ({name} is the student's "
                f"{own[id(parameter)]}), so it would change while it teaches. Pass copy.deepcopy of it."
            )


def load_teacher(
    teacher: Teacher, args: TernarySFTConfig, student: nn.Module, device: torch.device
) -> nn.Module:
    """The teacher in evaluation mode, without gradients, on the student's device.

    Args:
        teacher: As given to the trainer.
        args: `teacher_model_init_kwargs`, `trust_remote_code` and the training dtype count.
        student: Lends a path's teacher its attention where that is flash attention (padding-free batches need it).
        device: The student's.

    Raises:
        ValueError: `teacher_model_init_kwargs` for a model object; a teacher with prompt tuning, or one that has no
            backbone and head to ask.
        TypeError: Neither a model nor a path.
    """
    if isinstance(teacher, str | os.PathLike):
        model = _from_path(os.fspath(teacher), args, unwrapped(student), device)
    elif isinstance(teacher, nn.Module):
        if args.teacher_model_init_kwargs:
            raise ValueError(
                "teacher_model_init_kwargs is for a teacher that is loaded by path or Hub id, but teacher_model is "
                f"a {type(teacher).__name__} already. Leave it out."
            )
        model = teacher
    else:
        raise TypeError(
            f"teacher_model is a {type(teacher).__name__}; use a model, a path or a Hub id."
        )
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise ValueError(
            "teacher_model uses prompt tuning, whose virtual tokens are no part of the model that is asked. Use "
            "adapters inside its layers (LoRA), or the bare model."
        )
    output_head(model), backbone(model)  # say now what they miss
    if not getattr(model, "hf_device_map", None) and not getattr(model, "is_quantized", False):
        model.to(device)
    return model.requires_grad_(False).eval()


def where_it_lies(args: TernarySFTConfig) -> dict[str, Any]:
    """Those of `teacher_model_init_kwargs` that find the files, which config and tokenizer need as well."""
    return {name: value for name, value in _given_options(args).items() if name in _WHERE}


def _given_options(args: TernarySFTConfig) -> dict[str, Any]:
    given = args.teacher_model_init_kwargs
    return dict(cast(dict[str, Any], given)) if given else {}  # the config has parsed a string


def teacher_name(teacher: Teacher) -> str:
    """How records and model cards call it: path, Hub id, or the class of a model made in memory."""
    if not isinstance(teacher, nn.Module):
        return os.fspath(teacher)
    name = getattr(getattr(teacher, "config", None), "_name_or_path", "")
    return name or type(teacher).__name__


def _from_path(
    path: str, args: TernarySFTConfig, student: PreTrainedModel, device: torch.device
) -> PreTrainedModel:
    options = _given_options(args)
    options.setdefault("trust_remote_code", args.trust_remote_code)
    short = "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"
    options.setdefault("dtype", short)
    attention = str(student.config._attn_implementation or "")
    if "flash" in attention:
        options.setdefault("attn_implementation", attention)
    config = AutoConfig.from_pretrained(
        path, trust_remote_code=options["trust_remote_code"], **where_it_lies(args)
    )
    stored = getattr(config, "quantization_config", None) or {}
    method = stored.get("quant_method") if isinstance(stored, dict) else stored.quant_method
    if getattr(method, "value", method) == "bitnet":
        return load_ternary(path, **options)
    quantization = options.get("quantization_config")
    if isinstance(quantization, dict) and "quant_method" not in quantization:
        options["quantization_config"] = BitsAndBytesConfig(**quantization)
    if options.get("quantization_config") is not None:
        options.setdefault("device_map", {"": device})
    else:
        options.setdefault("device_map", None)
    # TRL would look for the architecture's name at the path alone.
    architecture = getattr(transformers, (config.architectures or [""])[0], None)
    model: PreTrainedModel = create_model_from_path(path, architecture, **options)
    return model
