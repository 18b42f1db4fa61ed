"""A transformers model as llama.cpp knows it: metadata keys, tensor names, and what is done to a tensor.

`architecture_of` checks everything that a reader hard-codes (families.py) before a byte is written. What it
returns is plain data, so that another writer can use it with its own reader:

    architecture_of(source, replace(BITNET, name="bitnet-b1.58", activations=("relu2",), reader="bitnet.cpp"))

Where only the length is at stake the model is not refused: a model with a sliding window, in an architecture that
llama.cpp computes without one, gets a context of one window, in which the two are the same; `warnings` says so.

Limits: dense decoders of the families listed; no mixtures of experts, no images.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bitsft.checkpoint.gguf.families import FAMILIES, Family
from bitsft.checkpoint.gguf.refusal import Refusal
from bitsft.checkpoint.gguf.rope import Rope, rope_of
from bitsft.checkpoint.source import TernarySource

Number = TypeVar("Number", bound=np.generic)

BLOCKS = "model.layers."
AROUND_BLOCKS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the file.

    Attributes:
        name: In the file.
        source: state_dict name in the model.
        heads: Rows are reordered for interleaved rotary embeddings, in this many heads; 0: they are not.
        shift: Added to the values.
    """

    name: str
    source: str
    heads: int = 0
    shift: float = 0.0


@dataclass(frozen=True)
class Architecture:
    """A model in the reader's terms.

    Attributes:
        name: `general.architecture`.
        keys: Metadata without the prefix of `name`; int, float, bool or str.
        tensors: What is read from the model, in the order of the file.
        constants: float32 tensors that the model computes instead of storing, by name.
        warnings: What the user should know.
    """

    name: str
    keys: dict[str, Any]
    tensors: list[TensorEntry]
    constants: dict[str, npt.NDArray[np.float32]]
    warnings: list[str]


def architecture_of(source: TernarySource, family: Family | None = None) -> Architecture:
    """Describe a model for llama.cpp, or refuse it.

    Args:
        source: The model.
        family: What the reader computes. Default: llama.cpp's architecture for the config's `model_type`.

    Returns:
        Keys, tensors and warnings.

    Raises:
        ValueError: No architecture for this `model_type`; or one that computes something else than the model. The
            message names the option, its value, and a format that holds it.
    """
    config = source.model.config
    options: dict[str, Any] = config.to_dict()
    if family is None:
        if config.model_type not in FAMILIES:
            raise ValueError(
                f"llama.cpp export knows {', '.join(FAMILIES)}; this model is {config.model_type!r} "
                f"({type(source.model).__name__}); mixtures of experts and models with images are not among them. "
                'Export it with format="transformers".'
            )
        family = FAMILIES[config.model_type]
    refusal = Refusal(config.model_type, f"{family.reader}'s architecture {family.name!r}", options)
    _check(options, family, refusal)
    heads = options["num_attention_heads"]
    head_dim = options.get("head_dim") or options["hidden_size"] // heads
    rope = _rope(options, head_dim, family, refusal)
    tensors = _tensors(source, options, family, refusal)
    own_keys = family.details(options, refusal)
    keys: dict[str, Any] = {
        "context_length": options["max_position_embeddings"],
        "embedding_length": options["hidden_size"],
        "block_count": options["num_hidden_layers"],
        "feed_forward_length": options["intermediate_size"],
        "attention.head_count": heads,
        "attention.head_count_kv": options.get("num_key_value_heads") or heads,
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "vocab_size": source.model.get_input_embeddings().weight.shape[0],
        **rope.keys,
        **own_keys,
    }
    if family.norm_epsilon:
        keys[family.norm_epsilon] = float(options["rms_norm_eps"])
    warnings = list(rope.warnings)
    reads_window = family.own_windows and "attention.sliding_window" in own_keys
    window = None if reads_window else _window(options)
    if window is not None and window < keys["context_length"]:
        keys["context_length"] = window
        warnings.append(
            f"{family.reader} computes {config.model_type} without a sliding window, so the file's context length is "
            f"the window, {window} of {options['max_position_embeddings']} tokens: up to there outputs are the same. "
            'format="transformers" keeps the window.'
        )
    return Architecture(family.name, keys, tensors, rope.tensors, warnings)


def interleave_rows(values: npt.NDArray[Number], heads: int) -> npt.NDArray[Number]:
    """Reorder rows from "two halves of a head are rotated" to "neighbours are".

    Args:
        values: `[heads * head_dim, ...]`.
        heads: Number of heads.

    Returns:
        The same rows; row 2i of a head was its row i, row 2i + 1 its row i + head_dim / 2.
    """
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _check(options: dict[str, Any], family: Family, refusal: Refusal) -> None:
    activation = options[family.activation_option]
    if activation not in family.activations:
        raise refusal.error(
            family.activation_option,
            activation,
            f"it computes {family.activations[0]}",
            family.remedies.get(activation, 'format="transformers"'),
        )
    if options.get("is_causal") is False:
        raise refusal.error("is_causal", False, "it attends backwards only")
    heads, width = options["num_attention_heads"], options["hidden_size"]
    head_dim = options.get("head_dim") or width // heads
    if family.heads_fill_width and heads * head_dim != width:
        raise refusal.error(
            "head_dim",
            head_dim,
            f"it expects {heads} heads to fill the hidden size of {width}, {width / heads:g} each",
        )
    for kind in options.get("layer_types") or []:
        if kind not in ("full_attention", "sliding_attention"):
            raise refusal.error(
                "layer_types", kind, "it knows full_attention and sliding_attention"
            )


def _rope(options: dict[str, Any], head_dim: int, family: Family, refusal: Refusal) -> Rope:
    parameters: dict[str, Any] = options["rope_parameters"]
    parameters = parameters.get("full_attention", parameters)
    share = parameters.get("partial_rotary_factor") or 1.0
    if share != 1.0 and not family.partial_rope:
        raise refusal.error(
            "rope_parameters['partial_rotary_factor']", share, "it rotates whole heads"
        )
    rotated = int(head_dim * share)
    rope = rope_of(parameters, rotated, family.ropes, refusal)
    rope.keys["rope.dimension_count"] = rotated
    return rope


def _window(options: dict[str, Any]) -> int | None:
    """The sliding window that a layer of the model has."""
    window: int | None = options.get("sliding_window")
    kinds = options.get("layer_types")
    return window if kinds is None or "sliding_attention" in kinds else None


def _tensors(
    source: TernarySource, options: dict[str, Any], family: Family, refusal: Refusal
) -> list[TensorEntry]:
    names = [*(f"{name}.weight" for name in source.layers), *source.dense_names]
    entries = {name: _entry(name, options, family, refusal) for name in names}
    if "lm_head.weight" in entries and family.output == "tied":
        raise refusal.error(
            "tie_word_embeddings",
            options.get("tie_word_embeddings"),
            "it has no output matrix of its own beside the embeddings",
        )
    if "lm_head.weight" not in entries and family.output == "required":
        entries["lm_head.weight"] = TensorEntry("output.weight", "model.embed_tokens.weight")
    return [entries[name] for name in sorted(entries, key=_order)]


def _entry(name: str, options: dict[str, Any], family: Family, refusal: Refusal) -> TensorEntry:
    is_norm = name.endswith("norm.weight")
    shift = family.norm_shift if is_norm else 0.0
    if name in AROUND_BLOCKS:
        return TensorEntry(AROUND_BLOCKS[name], name, shift=shift)
    module, _, kind = name.rpartition(".")
    block, _, part = module.removeprefix(BLOCKS).partition(".")
    known = family.modules.get(part) if module.startswith(BLOCKS) else None
    if known is None or kind not in ("weight", "bias"):
        raise refusal.error(name, "a tensor of the model", "it reads none like it")
    if kind == "bias" and known not in family.biases:
        raise refusal.error(name, "a bias of the model", f"it adds none to {known}")
    heads = 0
    if family.interleaved_rope and known in ("attn_q", "attn_k"):
        count = options["num_attention_heads"]
        heads = count if known == "attn_q" else options.get("num_key_value_heads") or count
    return TensorEntry(f"blk.{block}.{known}.{kind}", name, heads, shift)


def _order(name: str) -> tuple[int, int]:
    """Embeddings, blocks in order, then the rest; within a block in the model's order."""
    if name.startswith(BLOCKS):
        return 1, int(name.removeprefix(BLOCKS).partition(".")[0])
    return (0 if name == "model.embed_tokens.weight" else 2), 0
