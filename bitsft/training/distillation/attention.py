"""Attention-relation distillation: the student's tokens should relate to each other as the teacher's do.

At one decoder layer, for Z in {query, key, value}: the projection's output is split into H relation heads of
d = width/H values, and within one document of n tokens

    A = softmax(Z Zᵀ / sqrt(d))                                     (n, n), one row for each token
    AD = mean over Z, heads and tokens of KL(A_teacher ‖ A_student)   in nats

This is multi-head self-attention relation distillation (MiniLMv2, arXiv 2012.15828, section 3.1) at a single layer, as
BitDistill uses it (arXiv 2510.13998, L_AD). A is token × token, so teacher and student may differ in width,
in depth, and in the number of key and value heads.

What is fixed here, because it changes the number that the weight multiplies:
- Z is what `q_proj`, `k_proj`, `v_proj` return: before the rotary embedding and before q/k norms.
- A is not causal: a token relates to all tokens of its document, later ones too. Padding and other documents
  of a packed row take no part. A document of one token has no relation and is left out of the mean.
- It is the mean over the three relations. The paper sums over them, each with a weight α: the same up to a factor 3.
- BitDistill's code divides once more by the number of heads (`split_head_number`), and the paper multiplies by
  γ = 1e5, which makes the term about 1700 times the cross-entropy. Here neither is done: the weight is the
  user's, and the term is of the order of 0.01 to 1.

Row chunks keep the memory bounded: of the n × n values at most `chunk_values` exist at a time, for teacher
and student each, and the gradient of Z is formed with them, so that nothing of size n² is kept for backward.

Limits: models whose layers project query, key and value in one matrix are refused; so is reentrant gradient
checkpointing, whose forward leaves no graph behind the projections.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from bitsft.training.distillation.documents import Document, documents

PROJECTIONS = ("q_proj", "k_proj", "v_proj")
CHUNK_VALUES = 2**24
"""Relation values (heads × rows × tokens) that exist at a time: 64 MiB in float32."""

States = dict[str, torch.Tensor]
"""What the three projections returned: name -> (batch, tokens, width)."""


class AttentionDistillation:
    """The attention term between a teacher and a student at one layer.

    Args:
        student: The model that learns; bare, ternary, or with PEFT adapters.
        teacher: The model to learn from.
        layer: Index of the decoder layer in both; negative ones count from the end, which is what models of
            different depth need.
        heads: Relation heads that the outputs of the projections are split into; it divides the widths of all
            six.
        chunk_values: See the module.

    Raises:
        ValueError: A model has no such layer, its attention has no separate projections, or `heads` does not
            divide a width.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        *,
        layer: int = -1,
        heads: int = 1,
        chunk_values: int = CHUNK_VALUES,
    ) -> None:
        self._projections = {
            role: _projections(model, role, layer, heads)
            for role, model in (("student", student), ("teacher", teacher))
        }
        self._layer = layer
        self._heads = heads
        self._chunk_values = chunk_values

    @contextmanager
    def capture(self, role: str) -> Iterator[States]:
        """Collect the projections' outputs of the forward that runs inside.

        Backward belongs outside: gradient checkpointing runs the layer a second time there, and only the
        outputs of the first run have the graph that leads to the loss.

        Args:
            role: `"student"` or `"teacher"`.

        Yields:
            A dict that is filled when the layer runs.
        """
        states: States = {}
        handles = [
            module.register_forward_hook(_keep(states, name))
            for name, module in self._projections[role].items()
        ]
        try:
            yield states
        finally:
            for handle in handles:
                handle.remove()

    def loss(self, student: States, teacher: States, inputs: Mapping[str, Any]) -> torch.Tensor:
        """AD of one batch, float32, in nats; 0 where no document has two tokens.

        Args:
            student: What `capture("student")` collected, with gradients.
            teacher: What `capture("teacher")` collected, of the same inputs.
            inputs: The batch: its masks and position ids say which tokens form a document.

        Raises:
            ValueError: A projection did not run, its output is no (batch, tokens, width) of this batch, or no
                gradient reaches the student's.
        """
        for role, states in (("student", student), ("teacher", teacher)):
            missing = [name for name in PROJECTIONS if name not in states]
            if missing:
                raise ValueError(
                    f"The {role}'s {', '.join(missing)} of layer {self._layer} did not run in its forward, so "
                    "its attention relations are unknown. Choose another attention_distillation_layer."
                )
            for name, output in states.items():
                if output.shape[:-1] != inputs["input_ids"].shape:
                    raise ValueError(
                        f"The {role}'s {name} returned shape {tuple(output.shape)} for a batch of "
                        f"{tuple(inputs['input_ids'].shape)} tokens, so its values cannot be told apart by token "
                        "(prompt tuning adds tokens of its own). Set attention_distillation_weight=0."
                    )
        if torch.is_grad_enabled() and not any(states.requires_grad for states in student.values()):
            raise ValueError(
                f"No gradient reaches query, key and value of the student's layer {self._layer}. With gradient "
                "checkpointing use gradient_checkpointing_kwargs={'use_reentrant': False}; with adapters choose "
                "an attention_distillation_layer that has one, or one after it."
            )
        pieces = [piece for piece in documents(inputs) if len(piece) > 1]
        return torch.stack(
            [
                relation_divergence(
                    student[name],
                    teacher[name],
                    pieces,
                    heads=self._heads,
                    chunk_values=self._chunk_values,
                )
                for name in PROJECTIONS
            ]
        ).mean()


def relation_divergence(
    student: torch.Tensor,
    teacher: torch.Tensor,
    pieces: Sequence[Document],
    *,
    heads: int = 1,
    chunk_values: int = CHUNK_VALUES,
) -> torch.Tensor:
    """KL(teacher's relations ‖ student's), mean over the tokens of all documents and the heads.

    Args:
        student: (batch, tokens, width), any float dtype; the arithmetic is float32.
        teacher: (batch, tokens, its own width); no gradient.
        pieces: The documents.
        heads: Divides both widths.
        chunk_values: See the module.

    Returns:
        A float32 scalar, in nats; 0 without documents.
    """
    divergence: torch.Tensor = _RelationDivergence.apply(
        student, teacher, pieces, heads, chunk_values
    )
    return divergence


class _RelationDivergence(torch.autograd.Function):
    """With S = Z Zᵀ/sqrt(d) and one row's KL(t ‖ s): ∂/∂S = s - t, and Z enters S from both sides."""

    @staticmethod
    def forward(
        ctx: Any,
        student: torch.Tensor,
        teacher: torch.Tensor,
        pieces: Sequence[Document],
        heads: int,
        chunk_values: int,
    ) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=student.device)
        gradient = torch.zeros_like(student) if ctx.needs_input_grad[0] else None
        count = heads * sum(len(piece) for piece in pieces)
        with torch.autocast(student.device.type, enabled=False):
            for piece in pieces:
                z, z_teacher = (
                    _split(piece.of(states), heads).to(student.device)
                    for states in (student, teacher)
                )
                z_gradient = torch.zeros_like(z)
                scale = 1 / math.sqrt(z.shape[-1])
                scale_teacher = 1 / math.sqrt(z_teacher.shape[-1])
                rows = max(1, chunk_values // (heads * len(piece)))
                for chunk in range(0, len(piece), rows):
                    own, own_teacher = (
                        z[:, chunk : chunk + rows],
                        z_teacher[:, chunk : chunk + rows],
                    )
                    log_s = torch.log_softmax(own @ z.mT * scale, dim=-1)
                    log_t = torch.log_softmax(own_teacher @ z_teacher.mT * scale_teacher, dim=-1)
                    t = log_t.exp()
                    total += (t * (log_t - log_s)).sum()
                    if gradient is not None:
                        difference = (log_s.exp() - t) * scale
                        z_gradient[:, chunk : chunk + rows] += difference @ z
                        z_gradient += difference.mT @ own
                if gradient is not None:
                    piece.of(gradient).copy_(z_gradient.transpose(0, 1).flatten(1) / count)
        ctx.save_for_backward(gradient)
        return total / max(count, 1)

    @staticmethod
    def backward(ctx: Any, *outputs: torch.Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        return None if gradient is None else gradient * outputs[0], None, None, None, None


def _split(states: torch.Tensor, heads: int) -> torch.Tensor:
    """(tokens, width) as (heads, tokens, width/heads), float32."""
    return states.float().unflatten(-1, (heads, -1)).transpose(0, 1)


def _keep(states: States, name: str) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        states.setdefault(name, output)

    return hook


def _projections(model: nn.Module, role: str, layer: int, heads: int) -> dict[str, nn.Module]:
    layers = _decoder_layers(model)
    kind = type(model).__name__
    if layers is None:
        raise ValueError(
            f"attention distillation: the {role} ({kind}) keeps no list of decoder layers under the name "
            "'layers', so its queries, keys and values cannot be found. Set attention_distillation_weight=0."
        )
    if not -len(layers) <= layer < len(layers):
        raise ValueError(
            f"attention_distillation_layer is {layer}; the {role} ({kind}) has {len(layers)} layers: "
            f"{-len(layers)} to {len(layers) - 1}."
        )
    holders = [
        module
        for module in layers[layer].modules()
        if all(isinstance(getattr(module, name, None), nn.Module) for name in PROJECTIONS)
    ]
    if len(holders) != 1:
        raise ValueError(
            f"attention distillation: layer {layer} of the {role} ({kind}) has {len(holders)} modules with "
            "q_proj, k_proj and v_proj, and one is needed. Models that project query, key and value in one "
            "matrix have none, nor have layers of linear attention: choose another "
            "attention_distillation_layer, or set attention_distillation_weight=0."
        )
    found = {name: getattr(holders[0], name) for name in PROJECTIONS}
    for name, module in found.items():
        width = getattr(module, "out_features", None)
        if width is not None and width % heads:
            raise ValueError(
                f"attention_distillation_heads is {heads}, which does not divide the {width} outputs of the "
                f"{role}'s {name}. Choose a number that divides the widths of all projections, such as 1."
            )
    return found


def _decoder_layers(model: nn.Module) -> nn.ModuleList | None:
    """The decoder's layers; with PEFT below the wrapper, in multimodal models those of the language model."""
    inner: Any = model
    if hasattr(inner, "get_base_model"):
        inner = inner.get_base_model()
    if hasattr(inner, "get_decoder"):
        inner = inner.get_decoder()
    layers = getattr(inner, "layers", None)
    return layers if isinstance(layers, nn.ModuleList) else None
