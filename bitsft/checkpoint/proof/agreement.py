"""How far two models agree, measured on their logits: differences, top-1, KL divergence, perplexity.

For each position t with logits a_t (the reference, A) and b_t (what is checked, B), both `[vocab]`:

    |Δ|         |a_t − b_t|, the largest and the mean over all positions and the whole vocabulary
    top-1       argmax a_t = argmax b_t (the first of equal logits)
    KL(A‖B)     Σ_v p_A(v) · (log p_A(v) − log p_B(v)), in nats, with p = softmax; mean over positions
    perplexity  exp(−mean log p(x_{t+1})), over every token of a text but its first one

The last position of a text predicts nothing, so it counts for all but perplexity. Perplexity is one
number over all texts together, as llama.cpp's and lm-eval's, not a mean of one per text. Everything is
summed in float64, 64 positions at a time, so that neither the texts nor the vocabulary set the memory.

Limits: logits that are not finite are an error, not a disagreement.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

_ROWS = 64  # positions turned to float64 at once: 64 · 128k entries are 67 MB


@dataclass(frozen=True)
class Agreement:
    """What `LogitComparison` measured.

    Attributes:
        tokens: Positions compared.
        predicted: Tokens that perplexity is measured on.
        max_difference: Largest |Δ| of two logits.
        mean_difference: Mean |Δ|.
        top1: Share of positions, 0 to 1, where both put the same token first.
        kl: Mean KL(A‖B) in nats.
        perplexity_a: Of the reference.
        perplexity_b: Of what is checked.
        perplexity_change: perplexity_b / perplexity_a − 1.
    """

    tokens: int
    predicted: int
    max_difference: float
    mean_difference: float
    top1: float
    kl: float
    perplexity_a: float
    perplexity_b: float
    perplexity_change: float

    def rows(self) -> list[tuple[str, str, str]]:
        """`(field, label, value)` of each line of the table."""
        return [
            ("tokens", "tokens compared", f"{self.tokens:,}"),
            ("max_difference", "max |Δ logit|", f"{self.max_difference:.3g}"),
            ("mean_difference", "mean |Δ logit|", f"{self.mean_difference:.3g}"),
            ("top1", "top-1 agreement", f"{100 * self.top1:.2f} %"),
            ("kl", "mean KL(A‖B)", f"{self.kl:.3g} nats"),
            ("perplexity_a", "perplexity of A", f"{self.perplexity_a:.6g}"),
            ("perplexity_b", "perplexity of B", f"{self.perplexity_b:.6g}"),
            ("perplexity_change", "perplexity change", f"{100 * self.perplexity_change:+.4f} %"),
        ]

    def __str__(self) -> str:
        rows = self.rows()
        wide = max(len(label) for _, label, _ in rows)
        return "\n".join(f"{label:<{wide}}  {value:>12}" for _, label, value in rows)

    def to_dict(self) -> dict[str, int | float]:
        """The fields as plain numbers."""
        return asdict(self)


class LogitComparison:
    """Adds up two models' logits, text by text; keeps sums only.

    Example:
        >>> comparison = LogitComparison()
        >>> for ids in texts:
        ...     comparison.add(model_a(ids), model_b(ids), ids)
        >>> print(comparison.result())
    """

    def __init__(self) -> None:
        self._texts = 0
        self._tokens = 0
        self._predicted = 0
        self._entries = 0
        self._max = 0.0
        self._sum = 0.0
        self._same = 0
        self._kl = 0.0
        self._nll_a = 0.0
        self._nll_b = 0.0

    def add(self, logits_a: Tensor, logits_b: Tensor, ids: Tensor) -> None:
        """Count one text.

        Args:
            logits_a: The reference's logits, `[tokens, vocab]`, any float dtype.
            logits_b: The other model's, of the same shape.
            ids: The text's token ids, int64 `[tokens]`.

        Raises:
            ValueError: Shapes differ or are not as above, or a logit is NaN or infinite.
        """
        if logits_a.dim() != 2 or logits_a.shape != logits_b.shape:
            raise ValueError(
                f"text {self._texts}: the logits' shapes are {tuple(logits_a.shape)} (A) and "
                f"{tuple(logits_b.shape)} (B); both must be the same [tokens, vocab]."
            )
        if ids.shape != logits_a.shape[:1] or not len(ids):
            raise ValueError(
                f"text {self._texts}: {tuple(ids.shape)} token ids for logits of shape "
                f"{tuple(logits_a.shape)}; there must be one id for each position, and at least one."
            )
        for start in range(0, len(ids), _ROWS):
            rows = slice(start, start + _ROWS)
            a, b = (logits[rows].to("cpu", torch.float64) for logits in (logits_a, logits_b))
            self._check_finite(a, "A", start)
            self._check_finite(b, "B", start)
            self._add_rows(a, b, ids[start + 1 : start + 1 + _ROWS].cpu())
        self._texts += 1

    def result(self) -> Agreement:
        """The agreement over all texts so far.

        Raises:
            ValueError: No text of at least two tokens was added.
        """
        if not self._predicted:
            raise ValueError(
                "Nothing to compare: no text of at least two tokens was given. Pass longer texts."
            )
        nll_a, nll_b = self._nll_a / self._predicted, self._nll_b / self._predicted
        return Agreement(
            tokens=self._tokens,
            predicted=self._predicted,
            max_difference=self._max,
            mean_difference=self._sum / self._entries,
            top1=self._same / self._tokens,
            kl=max(0.0, self._kl / self._tokens),  # of equal models rounding may leave −1e-16
            perplexity_a=_exp(nll_a),
            perplexity_b=_exp(nll_b),
            perplexity_change=_exp(nll_b - nll_a) - 1,
        )

    def _add_rows(self, a: Tensor, b: Tensor, following: Tensor) -> None:
        """Float64 logits of some positions, and the ids of the tokens that follow each of them."""
        difference = a - b
        magnitude = difference.abs()
        self._max = max(self._max, float(magnitude.max()))
        self._sum += float(magnitude.sum())
        self._entries += difference.numel()
        self._same += int((a.argmax(-1) == b.argmax(-1)).sum())
        self._tokens += len(a)
        # log p = logit − log Σ exp, so KL(A‖B) = Σ p_A · (a − b) − log Σ exp a + log Σ exp b
        log_sum_a, log_sum_b = a.logsumexp(-1), b.logsumexp(-1)
        p_a = (a - log_sum_a.unsqueeze(1)).exp_()
        self._kl += float((p_a.mul_(difference).sum(-1) - log_sum_a + log_sum_b).sum())
        targets = following.unsqueeze(1)  # one shorter than the rows at the end of a text
        rows = len(targets)
        self._nll_a += float((log_sum_a[:rows] - a[:rows].gather(1, targets)[:, 0]).sum())
        self._nll_b += float((log_sum_b[:rows] - b[:rows].gather(1, targets)[:, 0]).sum())
        self._predicted += len(targets)

    def _check_finite(self, logits: Tensor, side: str, start: int) -> None:
        finite = torch.isfinite(logits).all(-1)
        if not bool(finite.all()):
            position = start + int((~finite).nonzero()[0])
            raise ValueError(
                f"text {self._texts}, position {position}: {side} computes NaN or infinite logits. Its "
                "weights are damaged, or its dtype is too narrow (float16 overflows in squared-ReLU "
                "models: compare in float32)."
            )


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf  # math.exp raises from 710 on
