"""The identity of a model that is evaluated: two answers belong together only if it is the same.

An identity is the SHA-256 of the names and contents of the files that decide what a model writes: config.json,
generation_config.json, weights, adapter, tokenizer and chat template. It does not depend on where the folder
lies or when it was written. Weights are hashed whole, at 1 to 2 GB/s once read, which loading needs anyway;
sizes and dates would call two models equal that are not. A run's record (`bitsft.runs.base_model`) names each
file of weights and samples large ones: there it says where a model came from, and nothing is continued by it.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_FILES = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "*.safetensors",
    "*.py",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab*",
    "merges.txt",
)


def identity_of_files(folders: Iterable[Path], options: str = "") -> str:
    """SHA-256, in hex, of the files in some folders that decide what a model writes.

    Args:
        folders: The model's folder, its base's, its tokenizer's.
        options: What else decides it.
    """
    from bitsft.data.split.manifest import hashed

    state = hashlib.sha256(options.encode())
    for place, folder in enumerate(folders):
        for path in sorted({path for pattern in _FILES for path in folder.glob(pattern)}):
            if path.is_file():
                state.update(f"\n{place} {path.name} {hashed(path)['sha256']}".encode())
    return state.hexdigest()


def identity_of_model(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> str:
    """The same of a model in memory: its config, generation config, tensors and vocabulary."""
    import torch

    from bitsft.runs.base_model import weights_hash
    from bitsft.ternary.packed_linear import layers_with_codes

    state = hashlib.sha256(model.config.to_json_string().encode())
    state.update(json.dumps(model.generation_config.to_dict(), default=str).encode())
    state.update(identity_of_tokenizer(tokenizer).encode())
    state.update(f"ternary={bool(layers_with_codes(model))}".encode())
    tensors = [
        (name, value)
        for name, value in model.state_dict().items()
        if isinstance(value, torch.Tensor)  # a module's extra state may be anything
    ]
    state.update(weights_hash(tensors, sample=False).encode())
    return state.hexdigest()


def identity_of_tokenizer(tokenizer: "PreTrainedTokenizerBase") -> str:
    """SHA-256, in hex, of what decides a tokenizer's work: vocabulary, chat template, special tokens, fast rules."""
    fast = getattr(tokenizer, "backend_tokenizer", None)  # slow ones have none
    said = {
        "vocabulary": tokenizer.get_vocab(),
        "chat_template": tokenizer.chat_template,
        "special_tokens": tokenizer.special_tokens_map,
        "rules": None if fast is None else _rules(fast.to_str()),
    }
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _rules(stored: str) -> dict[str, Any]:
    """How a fast tokenizer cuts and joins a text; how it pads and truncates is a state, which each call may change."""
    rules = json.loads(stored)
    names = ("normalizer", "pre_tokenizer", "post_processor", "model", "decoder")
    return {name: rules.get(name) for name in names}
