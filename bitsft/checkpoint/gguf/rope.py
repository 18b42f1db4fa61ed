"""Rotary embeddings as GGUF keys and tensors.

    default    rope.freq_base
    linear     rope.scaling.type = linear, rope.scaling.factor
    yarn       rope.scaling.type = yarn, .factor, .original_context_length, .attn_factor where it is not the usual one
    llama3     rope_freqs.weight: each frequency's divisor
    longrope   rope_factors_long.weight and rope_factors_short.weight, .attn_factor, .original_context_length

Sources: transformers' modeling_rope_utils.py for what the model computes; llama-model.cpp, llama-context.cpp and
`rope_yarn` in ops.cpp for what llama.cpp makes of the keys.

Limits: llama.cpp has constants where transformers has options (yarn's beta_fast, beta_slow and truncate), and no
dynamic scaling: these are refused. It chooses longrope's factors by the size of the context, transformers by the
length of the text: the two agree where both are on the same side of the original context length.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bitsft.checkpoint.gguf.refusal import Refusal

YARN_BETA_FAST, YARN_BETA_SLOW = 32.0, 1.0


@dataclass
class Rope:
    """What a file says about rotary embeddings.

    Attributes:
        keys: Metadata, without the architecture's prefix.
        tensors: float32 tensors by their name in the file.
        warnings: What the user should know.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def rope_of(
    parameters: dict[str, Any], head_dim: int, readable: frozenset[str], refusal: Refusal
) -> Rope:
    """The keys and tensors for one set of `rope_parameters`.

    Args:
        parameters: From the config, with `rope_type` and `rope_theta`.
        head_dim: Rotated part of a head's width.
        readable: The `rope_type`s that the reader computes for this architecture.
        refusal: Makes the errors.

    Returns:
        Keys, tensors and warnings.

    Raises:
        ValueError: The reader computes something else than the model.
    """
    kind = parameters.get("rope_type", "default")
    if kind not in readable:
        raise refusal.error(
            "rope_parameters['rope_type']", kind, f"it reads {', '.join(sorted(readable))} only"
        )
    rope = Rope()
    rope.keys["rope.freq_base"] = float(parameters["rope_theta"])
    if kind == "linear":
        rope.keys["rope.scaling.type"] = "linear"
        rope.keys["rope.scaling.factor"] = float(parameters["factor"])
    elif kind == "yarn":
        _add_yarn(rope, parameters, refusal)
    elif kind == "llama3":
        rope.tensors["rope_freqs.weight"] = _llama3_divisors(parameters, head_dim)
    elif kind == "longrope":
        _add_longrope(rope, parameters, head_dim, refusal)
    return rope


def _add_yarn(rope: Rope, parameters: dict[str, Any], refusal: Refusal) -> None:
    constants = {"beta_fast": YARN_BETA_FAST, "beta_slow": YARN_BETA_SLOW, "truncate": True}
    for option, constant in constants.items():
        value = parameters.get(option)
        if value is not None and value != constant:
            raise refusal.error(f"rope_parameters[{option!r}]", value, f"it computes {constant}")
    original = int(parameters["original_max_position_embeddings"])
    factor = _factor(parameters, original, refusal)
    usual = 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
    wanted = parameters.get("attention_factor")
    mscale, mscale_all_dim = parameters.get("mscale"), parameters.get("mscale_all_dim")
    if wanted is None and mscale and mscale_all_dim:
        log = math.log(factor) if factor > 1 else 0.0
        wanted = (0.1 * mscale * log + 1) / (0.1 * mscale_all_dim * log + 1)
    rope.keys |= {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": factor,
        "rope.scaling.original_context_length": original,
    }
    if wanted is not None and wanted != usual:
        rope.keys["rope.scaling.attn_factor"] = (
            wanted / usual
        )  # llama.cpp multiplies it with the usual one


def _factor(parameters: dict[str, Any], original: int, refusal: Refusal) -> float:
    """By how much the context was stretched, as transformers takes it."""
    return float(parameters.get("factor") or refusal.options["max_position_embeddings"] / original)


def _llama3_divisors(parameters: dict[str, Any], head_dim: int) -> npt.NDArray[np.float32]:
    """By how much each frequency is divided: 1 for high ones, `factor` for low ones, a blend between."""
    factor = float(parameters["factor"])
    low, high = float(parameters["low_freq_factor"]), float(parameters["high_freq_factor"])
    original = float(parameters["original_max_position_embeddings"])
    exponents = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
    turns = original / (2 * np.pi * float(parameters["rope_theta"]) ** exponents)
    blend = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - blend) / factor + blend)).astype(np.float32)


def _add_longrope(rope: Rope, parameters: dict[str, Any], head_dim: int, refusal: Refusal) -> None:
    original = int(parameters["original_max_position_embeddings"])
    factor = _factor(parameters, original, refusal)
    scale = parameters.get("attention_factor")
    if scale is None:
        scale = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    rope.keys |= {
        "rope.scaling.type": "longrope",
        "rope.scaling.original_context_length": original,
        "rope.scaling.attn_factor": float(scale),
    }
    for side in ("long", "short"):
        divisors = np.asarray(parameters[f"{side}_factor"], np.float32)
        if divisors.shape != (head_dim // 2,):
            raise refusal.error(
                f"rope_parameters['{side}_factor']",
                f"of length {divisors.size}",
                f"a head of {head_dim} rotated values has {head_dim // 2} frequencies",
            )
        rope.tensors[f"rope_factors_{side}.weight"] = divisors
    if parameters["long_factor"] != parameters["short_factor"]:
        rope.warnings.append(
            f"longrope: llama.cpp uses the short factors while its context holds at most {original} tokens and the "
            "long ones otherwise, whatever the length of the text; transformers goes by the text. Give it a context "
            f"of at most {original} for shorter texts to get the same outputs."
        )
