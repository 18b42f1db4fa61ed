"""Parameters that stay as they are, chosen by name: lower layers, embeddings, the head.

    frozen_parameters=["model.layers.[0-3].*", "*embed_tokens*"]

A pattern is one of `fnmatch`, upper and lower case told apart, on the whole name of a parameter: `*` stands for any
characters, dots among them, `?` for one, `[0-3]` for one of these. Names are those of the model without PEFT:
`model.layers.0.self_attn.q_proj.weight`, whether an adapter sits on the layer or not; the adapter's tensors follow below
it, as `model.layers.0.self_attn.q_proj.lora_A.default.weight`. With PEFT the base is frozen anyway, so that the same
patterns freeze the adapters of the layers that they name.

A frozen ternary layer keeps its codes and γ. One with latent weights becomes γ·codes when the trainer is made
(projection.py): what the other layers learn beside is what is saved. A frozen parameter has no gradient, so no optimizer
holds state for it and no weight decay reaches it.

Under gradient checkpointing transformers makes the output of the embeddings require a gradient, and backward then runs
through every frozen layer down to it. Checkpointing without re-entrance does not need that: `BackwardEndsAboveFrozen` takes
it off. With `use_reentrant=True` it has to stay, or the layers above would get no gradient.

Limits: a tensor is frozen as a whole. FSDP with `use_orig_params=False` cannot mix frozen and trained parameters, which
torch says itself.
"""

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from bitsft.training.parameter_names import packed_weight_names, parameters_by_base_name

logger = logging.getLogger(__name__)


@dataclass
class FrozenParameterOptions:
    """The option of freezing, part of `TernarySFTConfig`, which describes it."""

    frozen_parameters: list[str] | None = field(
        default=None,
        metadata={
            "help": "Patterns on parameter names, such as 'model.layers.[0-3].*' or '*embed_tokens*'; what they match is "
            "not trained."
        },
    )

    def check_frozen_parameter_options(self) -> None:
        """Raises:
        ValueError: The option is no list of texts, or one of them is empty.
        """
        patterns = self.frozen_parameters
        if patterns is None:
            return
        if isinstance(patterns, str) or not all(isinstance(p, str) and p for p in patterns):
            raise ValueError(
                f"frozen_parameters is {patterns!r}; it is a list of patterns on parameter names. Write "
                "['model.layers.[0-3].*'], for example, or None to train everything."
            )


def freeze_parameters(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Take the parameters that match out of training; docs/freezing.md explains the patterns.

    Args:
        model: Wrapped by PEFT or not; before an optimizer is made for it. Changed in place.
        patterns: `fnmatch` patterns on full parameter names. None at all freezes nothing.

    Returns:
        The names that matched, in the model's order, those that were frozen before among them. Of tied tensors, all
        names.

    Raises:
        ValueError: A pattern matches nothing, or nothing would be left to train; the model is then as it was.
    """
    if isinstance(patterns, str):
        raise ValueError(
            f"patterns is the text {patterns!r}; pass a list of patterns, [{patterns!r}]."
        )
    named = parameters_by_base_name(model)
    packed = packed_weight_names(model)
    known = [*named, *packed]
    for pattern in patterns:
        if not any(_matches(name, [pattern]) for name in known):
            raise ValueError(_matches_nothing(pattern, known, type(model).__name__))
    chosen = [name for name in named if _matches(name, patterns)]
    frozen = {id(named[name]) for name in chosen}
    if patterns and not any(p.requires_grad for p in named.values() if id(p) not in frozen):
        raise ValueError(
            f"The patterns {list(patterns)} leave no parameter of {type(model).__name__} to train. Freeze less, or "
            "leave training out."
        )
    together = [name for name, p in named.items() if id(p) in frozen]
    for name in together:
        named[name].requires_grad_(False)
        named[name].grad = None
    _say_what_is_tied(named, chosen, together)
    return [*together, *(name for name in packed if _matches(name, patterns))]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _matches_nothing(pattern: str, known: Sequence[str], model_name: str) -> str:
    inside = [name for name in known if fnmatchcase(name, f"*{pattern.strip('*')}*")]
    words = re.sub(r"[*?]+|\[.*?\]", "", pattern)
    near = inside[:3] or difflib.get_close_matches(words, known, n=3, cutoff=0.4) or list(known)[:3]
    remedy = (
        f"A pattern covers the whole name: write '*{pattern.strip('*')}*'."
        if inside
        else "See [name for name, _ in model.named_parameters()] for all of them."
    )
    return (
        f"The pattern {pattern!r} matches no parameter of {model_name}. Near it are "
        f"{', '.join(repr(name) for name in near)}. {remedy}"
    )


def _say_what_is_tied(
    named: dict[str, nn.Parameter], chosen: Sequence[str], together: Sequence[str]
) -> None:
    """Who froze the embeddings froze the head as well, where both are one tensor."""
    for name in together:
        if name not in chosen:
            other = next(one for one in chosen if named[one] is named[name])
            logger.warning(
                "%s and %s are one tensor (tied embeddings): both are frozen.", other, name
            )


class BackwardEndsAboveFrozen(TrainerCallback):
    """Spares backward the way through frozen layers below the lowest trained one; see the module."""

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        if not args.activation_checkpointing:
            return
        given = dict(args.activation_checkpointing_kwargs or {})
        for_transformers = ("every_n_layers", "offload")
        for_torch = {name: value for name, value in given.items() if name not in for_transformers}
        # transformers chooses False where torch is given no option at all, torch True where it is given others
        reentrant = for_torch.get("use_reentrant", bool(for_torch))
        if isinstance(model, PreTrainedModel) and not reentrant:
            model.disable_input_require_grads()
