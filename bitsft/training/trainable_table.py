"""What is trained: tensors, parameters and bytes by kind, as a table.

    trained                     tensors  parameters  trainable   weights  gradients  optimizer
    ternary layers                   14      26,624     13,312  106.5 kB    53.2 kB   106.5 kB
    embeddings and head (tied)        1      12,800          0   51.2 kB        0 B        0 B
    norms                             5         160         96     640 B      384 B      768 B
    all                              20      39,584     13,408  158.3 kB    53.6 kB   107.3 kB

A kind is what a parameter is in the model: the weight of a ternary layer, packed codes (with their γ), embeddings, output
head, norms, biases, other dense weights, or what PEFT added. Tied tensors count once.

    weights      what the tensors occupy
    gradients    one of each trainable parameter, in its own dtype
    optimizer    the state that the optimizer has after its first step (bitsft/memory/optimizer_state.py)

Limits: no activations; not the int8 codes that the trainer holds beside float weights (1 byte a ternary weight). Under DeepSpeed
and FSDP the bytes are those of all processes together.
"""

import logging
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch import nn
from transformers import TrainingArguments
from transformers.training_args import OptimizerNames

from bitsft.memory.optimizer_state import LATENT_FREE, optimizer_state_bytes
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.training.parameter_names import adapter_parameters

logger = logging.getLogger(__name__)

KINDS = (
    "ternary layers",
    "packed ternary layers",
    "embeddings",
    "embeddings and head (tied)",
    "output head",
    "norms",
    "biases",
    "other dense weights",
    "adapters",
)
"""What parameters are told apart by, in the order of the table."""


@dataclass(frozen=True)
class TrainableRow:
    """One line of the table.

    Attributes:
        kind: One of `KINDS`, or `"all"`.
        tensors: How many; packed codes and their scale are one.
        parameters: Values in them; each weight of a packed layer is one.
        trainable: Those of them that are trained.
        weight_bytes: What they occupy.
        gradient_bytes: Their gradients.
        optimizer_bytes: State of the optimizer for them; None where the optimizer is not known.
    """

    kind: str
    tensors: int = 0
    parameters: int = 0
    trainable: int = 0
    weight_bytes: int = 0
    gradient_bytes: int = 0
    optimizer_bytes: int | None = 0

    def __add__(self, other: "TrainableRow") -> "TrainableRow":
        known = self.optimizer_bytes is not None and other.optimizer_bytes is not None
        return TrainableRow(
            self.kind,
            self.tensors + other.tensors,
            self.parameters + other.parameters,
            self.trainable + other.trainable,
            self.weight_bytes + other.weight_bytes,
            self.gradient_bytes + other.gradient_bytes,
            (self.optimizer_bytes or 0) + (other.optimizer_bytes or 0) if known else None,
        )


@dataclass(frozen=True)
class TrainableSummary:
    """The table; `str()` aligns it.

    Attributes:
        rows: A row for each kind that the model has, in the order of `KINDS`.
    """

    rows: tuple[TrainableRow, ...]

    @property
    def total(self) -> TrainableRow:
        """The sum of the rows; its kind is `"all"`."""
        return sum(self.rows, TrainableRow("all"))

    @property
    def trains_everything(self) -> bool:
        """Whether no parameter is frozen."""
        return self.total.trainable == self.total.parameters

    def counts(self) -> dict[str, dict[str, int]]:
        """Parameters and trainable ones by kind, as JSON can hold them."""
        return {
            row.kind: {"parameters": row.parameters, "trainable": row.trainable}
            for row in self.rows
        }

    def __str__(self) -> str:
        head = ("", "tensors", "parameters", "trainable", "weights", "gradients", "optimizer")
        lines = [head, *(_cells(row) for row in (*self.rows, self.total))]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        return "\n".join(
            "  ".join(
                [
                    line[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
                ]
            )
            for line in lines
        )


def trainable_summary(model: nn.Module, optim: str | None = "adamw_torch") -> TrainableSummary:
    """Count what a model holds and what of it is trained.

    Args:
        model: Wrapped by PEFT or not, with ternary layers or without.
        optim: A value of `TrainingArguments.optim`, or `"latent_free"` for the optimizer of `projection="stochastic"`.
            None where it is not known.

    Returns:
        The table as data; print it.
    """
    kind_of = _Kinds(model)
    found = {kind: TrainableRow(kind) for kind in KINDS}
    for name, parameter in model.named_parameters():
        row = _row_of(kind_of(name, parameter), parameter, optim, kind_of.is_embedding(parameter))
        found[row.kind] += row
    for layer in model.modules():
        if isinstance(layer, PackedLinear158):
            found["packed ternary layers"] += _row_of_packed(layer)
    return TrainableSummary(tuple(row for row in found.values() if row.tensors))


def show_trainable_summary(model: nn.Module, optim: str | None, *, prints: bool) -> None:
    """Before training: printed, as the trainer's log is, where a part is frozen; else logged at INFO.

    Args:
        model: The trainer's.
        optim: See `trainable_summary`.
        prints: Whether this process is the one that prints.
    """
    summary = trainable_summary(model, optim)
    if summary.trains_everything:
        logger.info("Everything is trained:\n%s", summary)
    elif prints:
        print(summary, flush=True)


def name_of_optimizer(
    args: TrainingArguments, *, latent_free: bool, optimizer_given: bool
) -> str | None:
    """What `trainable_summary` takes as `optim`.

    Args:
        args: The trainer's arguments.
        latent_free: Whether ternary weights are trained without latents.
        optimizer_given: Whether an optimizer, or its class, was passed to the trainer.
    """
    if latent_free:
        return LATENT_FREE
    return None if optimizer_given else OptimizerNames(args.optim).value


class _Kinds:
    """Tells what a parameter is, from where it stands in its model."""

    def __init__(self, model: nn.Module) -> None:
        self._ternary = {id(layer.weight) for layer in ternary_layers(model).values()}
        self._adapters = adapter_parameters(model)
        embeddings = [m.weight for m in model.modules() if isinstance(m, nn.Embedding)]
        self._embeddings = {id(weight) for weight in embeddings}
        self._head = _head_weight(model)
        self._norms = {
            id(parameter)
            for module in model.modules()
            if "norm" in type(module).__name__.lower()
            for parameter in module.parameters(recurse=False)
        }

    def __call__(self, name: str, parameter: nn.Parameter) -> str:
        key = id(parameter)
        if key in self._adapters:
            return "adapters"
        if key in self._ternary:
            return "ternary layers"
        if key in self._embeddings:
            return "embeddings and head (tied)" if key == self._head else "embeddings"
        if key == self._head:
            return "output head"
        if key in self._norms:
            return "norms"
        return "biases" if name.rpartition(".")[2] == "bias" else "other dense weights"

    def is_embedding(self, parameter: nn.Parameter) -> bool:
        return id(parameter) in self._embeddings


def _head_weight(model: Any) -> int | None:
    find = getattr(
        model, "get_output_embeddings", None
    )  # PEFT passes it on; a bare module has none
    head = find() if find is not None else None
    weight = getattr(head, "weight", None)
    return None if weight is None else id(weight)


def _row_of(
    kind: str, parameter: nn.Parameter, optim: str | None, is_embedding: bool
) -> TrainableRow:
    shape = getattr(parameter, "ds_shape", parameter.shape)  # whole, where DeepSpeed cut it up
    values, itemsize = prod(shape), parameter.element_size()
    row = TrainableRow(kind, tensors=1, parameters=values, weight_bytes=values * itemsize)
    if not parameter.requires_grad:
        return row
    state = None
    if optim is not None:
        is_ternary = kind == "ternary layers"
        state = optimizer_state_bytes(
            optim, shape, itemsize, is_ternary=is_ternary, is_embedding=is_embedding
        )
    return replace(row, trainable=values, gradient_bytes=values * itemsize, optimizer_bytes=state)


def _row_of_packed(layer: PackedLinear158) -> TrainableRow:
    return TrainableRow(
        "packed ternary layers",
        tensors=1,
        parameters=layer.out_features * layer.in_features,
        weight_bytes=sum(buffer.nbytes for buffer in layer.buffers(recurse=False)),
    )


def _cells(row: TrainableRow) -> tuple[str, ...]:
    return (
        row.kind,
        f"{row.tensors:,}",
        f"{row.parameters:,}",
        f"{row.trainable:,}",
        *(_readable(n) for n in (row.weight_bytes, row.gradient_bytes, row.optimizer_bytes)),
    )


def _readable(size: int | None) -> str:
    """Bytes in the unit that leaves one to three digits before the point; kB is 1,000 bytes."""
    if size is None:
        return "?"
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"
