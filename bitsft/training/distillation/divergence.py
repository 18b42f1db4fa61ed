"""Divergence between the next-token distributions of teacher and student, from hidden states and output heads.

With log-probabilities s of the student and t of the teacher over the words v, both at temperature τ:

    forward   KL(t ‖ s) = Σ eᵗ·(t - s)
    reverse   KL(s ‖ t) = Σ eˢ·(s - t)
    js        ½·KL(t ‖ m) + ½·KL(s ‖ m),  m = log(½·eˢ + ½·eᵗ)

in nats, summed over tokens. With g = ∂D/∂s (forward: -eᵗ, reverse: eˢ·(s - t + 1), js: ½·eˢ·(s - m)) the gradient of the
logits is g - eˢ·Σg. A cached teacher knows k words and the rest: D is then over k + 1 events (`TopKSignal`), never
more than the full divergence, and equal to it where k covers the vocabulary.

The logits exist for a chunk of tokens at a time. The gradients of hidden states and head are formed with the chunk,
in forward, so that nothing of size tokens × vocabulary is kept and no product is computed twice: four matrix
products (student, teacher, two gradients). They are sums over chunks in float32; the products run in autocast's
dtype, softmax and divergence in float32.

What TRL has, and why this is not it: `GKDTrainer.generalized_jsd_loss` needs both full logits (tests take it for the
truth); `trl.kernels.ChunkedDivergenceFunction`, with the same formulas (β = 0, 1, ½), computes tiles of the
vocabulary, which needs both products twice (three times for js) and on a CPU always in float32; it is missing from
earlier TRL that bitsft runs with; and neither knows a cached teacher or a vocabulary that is padded to two sizes.
"""

import math
from typing import Any

import torch
from torch import Tensor

from bitsft.training.distillation.options import DivergenceName
from bitsft.training.distillation.output_head import OutputHead
from bitsft.training.distillation.signals import TeacherHeadSignal, TeacherSignal, TopKSignal

CHUNK_VALUES_CPU = 2**22
CHUNK_VALUES = 2**26
"""Logits (tokens × words) of one model that exist at a time: 16 MiB on a CPU, 256 MiB elsewhere."""
LEAST_TOKENS = 128
"""Never fewer tokens at a time: each chunk adds a product of the head's size to the head's gradient."""

LEAST_LOG_PROB = -80.0
"""Stands for log 0 in the rest of a cached distribution."""


def divergence_sum(
    hidden: Tensor,
    head: OutputHead,
    teacher: TeacherSignal,
    *,
    words: int,
    temperature: float = 1.0,
    divergence: DivergenceName = "forward",
    chunk_values: int | None = None,
) -> Tensor:
    """Sum over tokens of D(teacher, student).

    Args:
        hidden: [tokens, width]: the student's last hidden states at the positions of `teacher`.
        head: The student's output head.
        teacher: What the teacher says about the same tokens.
        words: The first so many rows of the heads are compared; both have at least that many.
        temperature: τ; above 0.
        divergence: `"forward"`, `"reverse"` or `"js"`.
        chunk_values: Default: `CHUNK_VALUES` of the device, or `LEAST_TOKENS` tokens.

    Returns:
        A float32 scalar in nats with gradients for `hidden` and for weight and bias of `head`; 0, with zero
        gradients, where there are no tokens.
    """
    if chunk_values is None:
        chunk_values = CHUNK_VALUES_CPU if hidden.device.type == "cpu" else CHUNK_VALUES
        chunk_values = max(chunk_values, LEAST_TOKENS * words)
    total: Tensor = _DivergenceSum.apply(
        hidden,
        head.weight,
        head.bias,
        head,
        teacher,
        words,
        temperature,
        divergence,
        max(1, chunk_values // words),
    )
    return total


class _DivergenceSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        head: OutputHead,
        teacher: TeacherSignal,
        words: int,
        temperature: float,
        divergence: DivergenceName,
        chunk_tokens: int,
    ) -> Tensor:
        device = hidden.device
        autocast = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if autocast else hidden.dtype
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        grad_bias = (
            torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wants_bias else None
        )
        total = torch.zeros((), dtype=torch.float32, device=device)
        with torch.autocast(device.type, enabled=False):
            projection = HeadLogits(head, words, dtype, temperature)
            taught = _Teacher(teacher, words, dtype, temperature)
            for start in range(0, hidden.shape[0], chunk_tokens):
                rows = slice(start, start + chunk_tokens)
                own = hidden[rows].to(dtype)
                z = projection.logits(own)
                found, grad = taught.divergence(z, rows, divergence)
                total += found
                if not (wants_hidden or wants_weight or wants_bias):
                    continue
                projection.gradient_before_scale_(grad, z)
                if grad_bias is not None:
                    grad_bias[:words] += grad.sum(0)
                grad = grad.to(dtype)
                if grad_hidden is not None:
                    grad_hidden[rows] = grad @ projection.weight
                if grad_weight is not None:
                    _add_product(grad_weight[:words], grad.T, own)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.dtypes = weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        factor = outputs[0]
        hidden, weight, bias = (
            None if grad is None else grad * factor.to(grad.dtype) for grad in ctx.saved_tensors
        )
        weight_dtype, bias_dtype = ctx.dtypes
        return (
            hidden,
            None if weight is None else weight.to(weight_dtype),
            None if bias is None else bias.to(bias_dtype),
            *(None,) * 6,
        )


class HeadLogits:
    """A head's first rows in the dtype of the products: hidden states to logits at τ, and the way back."""

    def __init__(
        self, head: OutputHead, words: int, dtype: torch.dtype, temperature: float
    ) -> None:
        self.weight = head.weight.detach()[:words].to(dtype)
        self._bias = None if head.bias is None else head.bias.detach()[:words].float()
        self._scale = head.scale
        self._cap = head.cap
        self._temperature = temperature

    def logits(self, hidden: Tensor) -> Tensor:
        """[tokens, words], float32, new."""
        z = _float_product(hidden, self.weight.T)
        if self._bias is not None:
            z += self._bias
        if self._cap is None:
            factor = self._scale / self._temperature
            return z if factor == 1.0 else z.mul_(factor)
        return z.mul_(self._scale / self._cap).tanh_().mul_(self._cap / self._temperature)

    def gradient_before_scale_(self, grad: Tensor, z: Tensor) -> None:
        """Turn the gradient of `z` into that of hidden · weightᵀ, in place."""
        factor = self._scale / self._temperature
        if self._cap is not None:
            # z·τ/cap is the tanh
            grad.mul_(1 - (z * (self._temperature / self._cap)).square_())
        if factor != 1.0:
            grad.mul_(factor)


class _Teacher:
    """One of the two forms of a teacher's signal."""

    def __init__(
        self, signal: TeacherSignal, words: int, dtype: torch.dtype, temperature: float
    ) -> None:
        self._signal = signal
        self._dtype = dtype
        if isinstance(signal, TeacherHeadSignal):
            self._projection = HeadLogits(signal.head, words, dtype, temperature)

    def divergence(
        self, z: Tensor, rows: slice, divergence: DivergenceName
    ) -> tuple[Tensor, Tensor]:
        """D of the rows, summed, and its gradient with respect to `z`."""
        if isinstance(self._signal, TopKSignal):
            return top_k_divergence(z, self._signal, rows, divergence)
        hidden = self._signal.hidden[rows].to(self._signal.head.weight.device, self._dtype)
        return full_divergence(z, self._projection.logits(hidden).to(z.device), divergence)


def full_divergence(
    z: Tensor, z_teacher: Tensor, divergence: DivergenceName
) -> tuple[Tensor, Tensor]:
    """D summed over tokens, and its gradient with respect to `z`.

    Args:
        z: [tokens, words] float32, the student's logits at temperature τ.
        z_teacher: The same of the teacher; it is overwritten.
        divergence: See the module.
    """
    if divergence == "forward":
        # Σ eᵗ·(t - s) = Σ eᵗ·(z_t - z_s) - lse_t + lse_s: log-probabilities are never written down.
        t = torch.softmax(z_teacher, dim=-1)
        grad = torch.softmax(z, dim=-1)
        sums = _log_sum_exp(z, grad) - _log_sum_exp(z_teacher, t)
        gap = z_teacher.sub_(z)
        return torch.dot(t.view(-1), gap.view(-1)) + sums.sum(), grad.sub_(t)
    s, t = torch.log_softmax(z, dim=-1), torch.log_softmax(z_teacher, dim=-1)
    found, g = _with_gradient(s, t, divergence)
    return found, g.sub_(s.exp_().mul_(g.sum(-1, keepdim=True)))


def top_k_divergence(
    z: Tensor, teacher: TopKSignal, rows: slice, divergence: DivergenceName
) -> tuple[Tensor, Tensor]:
    """D summed over tokens on k + 1 events, and its gradient with respect to `z`.

    Args:
        z: [tokens, words] float32, the student's logits at temperature τ.
        teacher: The cached distributions of all tokens.
        rows: Those of this chunk.
        divergence: See the module.
    """
    device = z.device
    indices = teacher.indices[rows].to(device)
    rest = teacher.rest[rows, None].to(device, torch.float32).clamp(min=LEAST_LOG_PROB)
    t = torch.cat([teacher.log_probs[rows].to(device, torch.float32), rest], dim=-1)
    log_probs = torch.log_softmax(z, dim=-1)
    others = log_probs.scatter(-1, indices, -math.inf)
    rest_s = torch.logsumexp(others, dim=-1, keepdim=True)
    s = torch.cat([log_probs.gather(-1, indices), rest_s.clamp(min=LEAST_LOG_PROB)], dim=-1)
    found, g = _with_gradient(s, t, divergence)
    g_words, g_rest = g[:, :-1], g[:, -1:]
    # A word of the rest moves the rest by its share in it. Where nothing is in the rest, its words do not exist.
    grad = (others - rest_s.clamp(min=LEAST_LOG_PROB)).exp_().mul_(g_rest)
    grad.scatter_(-1, indices, g_words)
    return found, grad.sub_(log_probs.exp_().mul_(g.sum(-1, keepdim=True)))


def _with_gradient(s: Tensor, t: Tensor, divergence: DivergenceName) -> tuple[Tensor, Tensor]:
    """D of log-probabilities, summed, and ∂D/∂s."""
    if divergence == "forward":
        p = t.exp()
        return (p * (t - s)).sum(), p.neg_()
    if divergence == "reverse":
        p, gap = s.exp(), s - t
        return (p * gap).sum(), p.mul_(gap.add_(1))
    m = torch.logaddexp(s, t).sub_(math.log(2))
    g = s.exp().mul_(s - m).mul_(0.5)
    return g.sum() + 0.5 * (t.exp() * (t - m)).sum(), g


def _log_sum_exp(z: Tensor, probabilities: Tensor) -> Tensor:
    """[tokens]: from the likeliest word, whose probability is at least 1/words."""
    likeliest, word = z.max(-1, keepdim=True)
    return (likeliest - probabilities.gather(-1, word).log()).squeeze(-1)


def _float_product(a: Tensor, b: Tensor) -> Tensor:
    """a · b in float32; on CUDA not rounded to the short dtype of the operands in between."""
    if a.device.type == "cuda" and a.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(a, b, out_dtype=torch.float32)
    return (a @ b).float()


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a · b, total in float32."""
    if total.dtype == a.dtype:
        total.addmm_(a, b)
    else:
        total += _float_product(a, b)
