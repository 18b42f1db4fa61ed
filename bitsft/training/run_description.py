"""What a trainer was given, as its record has it: data, model, settings.

    data       content hashes (bitsft/runs/contents.py), a description for each dataset
    model      where it came from, and the runs that made it
    settings   all training arguments and those that differ from the defaults, the ternary layers, adapters, teacher,
               tokenizer (a hash), and what else was passed, by name

Described before TRL wraps or changes any of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from bitsft.runs.base_model import describe_model, runs_behind
from bitsft.runs.contents import describe_data
from bitsft.runs.settings import changed_fields, plain
from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.training.config import TernarySFTConfig


@dataclass(frozen=True)
class GivenToTrainer:
    """What a trainer was given.

    Attributes:
        args: The arguments as the user gave them.
        model: The model, ternary already and not yet wrapped.
        model_name: The path or Hub id as given; None for a model that was made in memory.
        tokenizer: As given, or None.
        datasets: `{"train": ..., "eval": ...}`; each a dataset, several by name, or None.
        peft_config: As given, or None.
        teacher: Path, Hub id or class of the teacher, or None.
        others: What else the trainer was given, by argument name.
    """

    args: TernarySFTConfig
    model: nn.Module
    model_name: str | None
    tokenizer: Any
    datasets: Mapping[str, Any]
    peft_config: Any
    teacher: str | None
    others: Mapping[str, Any]


def describe_training(given: GivenToTrainer) -> dict[str, Any]:
    """Describe a training before it begins.

    Args:
        given: What the trainer was given.

    Returns:
        Keyword arguments of `bitsft.runs.recorder.start_record`.
    """
    return {
        "name": _name(given.args),
        "data": [
            describe_data(one, role)
            for kind, dataset in given.datasets.items()
            for role, one in _by_role(kind, dataset)
        ],
        "model": describe_model(given.model, given.model_name),
        "parents": runs_behind(given.model_name or given.model),
        "settings": _settings(given),
        "seed": given.args.seed,
    }


def _name(args: TernarySFTConfig) -> str:
    # transformers takes the output directory by default
    is_own = args.run_name not in (None, args.output_dir)
    return str(args.run_name) if is_own else Path(args.output_dir).name


def _settings(given: GivenToTrainer) -> dict[str, Any]:
    values = {f.name: getattr(given.args, f.name) for f in fields(TernarySFTConfig)}
    found: dict[str, Any] = {
        "training": plain(values),
        "changed": changed_fields(given.args),
        "ternary": _ternary(given.model),
        "trainer": {name: _named(value) for name, value in given.others.items() if value},
    }
    if given.peft_config is not None:
        found["peft"] = plain(given.peft_config.to_dict())
    if given.teacher is not None:
        found["teacher"] = plain(given.teacher)
    if given.tokenizer is not None:
        found["tokenizer"] = _tokenizer(given.tokenizer)
    return found


def _by_role(kind: str, dataset: Any) -> list[tuple[str, Any]]:
    if dataset is None:
        return []
    if isinstance(dataset, Mapping):
        return [(f"{kind}.{name}", one) for name, one in dataset.items()]
    return [(kind, dataset)]


def _ternary(model: nn.Module) -> dict[str, Any]:
    layers = layers_with_codes(model)
    return {
        "layers": len(layers),
        "weights": sum(layer.out_features * layer.in_features for layer in layers.values()),
        "granularity": sorted({str(layer.granularity) for layer in layers.values()}),
        "activation_bits": sorted({str(layer.activation_bits) for layer in layers.values()}),
    }


def _tokenizer(tokenizer: Any) -> dict[str, Any]:
    found = {
        "class": type(tokenizer).__name__,
        "name": getattr(tokenizer, "name_or_path", None) or None,
    }
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        said = json.loads(backend.to_str())
        said.update(padding=None, truncation=None)  # of the last call, not of the tokenizer
        template = str(getattr(tokenizer, "chat_template", None))
        text = json.dumps([said, template], sort_keys=True)
        found["sha256"] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        found["vocabulary"] = len(tokenizer)
    return found


def _named(value: Any) -> Any:
    """Functions, callbacks and collators by name; they cannot be written down."""
    if isinstance(value, list | tuple):
        return [_named(one) for one in value]
    if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
        return plain(value)
    return type(value).__name__
