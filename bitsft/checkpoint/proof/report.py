"""What `verify` found: the table, the bounds, what lies beyond them, and what that usually means."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bitsft.checkpoint.proof.agreement import Agreement
from bitsft.checkpoint.proof.readers.side import Side


@dataclass(frozen=True)
class Bounds:
    """What still counts as agreement; None stands for the default, which depends on the two sides.

    Attributes:
        min_top1: Smallest share of positions with the same first token, 0 to 1.
        max_perplexity_change: Largest |relative change| of perplexity.
        max_kl: Largest mean KL(A‖B) in nats.
        max_difference: Largest |Δ| of two logits; no bound by default.

    Raises:
        ValueError: A share outside 0 to 1, or a negative bound.
    """

    min_top1: float | None = None
    max_perplexity_change: float | None = None
    max_kl: float | None = None
    max_difference: float | None = None

    def __post_init__(self) -> None:
        if self.min_top1 is not None and not 0 <= self.min_top1 <= 1:
            raise ValueError(
                f"min_top1 is {self.min_top1}; it is a share from 0 to 1: 98 % is 0.98."
            )
        for name in ("max_perplexity_change", "max_kl", "max_difference"):
            value = vars(self)[name]
            if value is not None and not value >= 0:
                raise ValueError(f"{name} is {value}; use a number of 0 or more.")

    def for_sides(self, a: Side, b: Side) -> "Bounds":
        """These bounds, with the defaults for two such sides in place of None.

        Where both sides round activations alike they differ by float noise; where they do not, by the noise
        of int8 roundings that fall differently, which a small model shows most. docs/verify.md has the
        measurements that the defaults lie between.

        Args:
            a: The reference.
            b: What is checked.
        """
        defaults = SAME_ROUNDING if rounds_alike(a, b) else OTHER_ROUNDING
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(defaults, **given)

    def checks(self, agreement: Agreement) -> dict[str, tuple[str, bool]]:
        """For each bounded field of `Agreement`: the bound in words, and whether it is kept."""
        checks = {}
        if self.min_top1 is not None:
            kept = agreement.top1 >= self.min_top1
            checks["top1"] = (f"≥ {100 * self.min_top1:.2f} %", kept)
        if self.max_perplexity_change is not None:
            kept = abs(agreement.perplexity_change) <= self.max_perplexity_change
            checks["perplexity_change"] = (f"≤ {100 * self.max_perplexity_change:.4f} %", kept)
        if self.max_kl is not None:
            checks["kl"] = (f"≤ {self.max_kl:.3g} nats", agreement.kl <= self.max_kl)
        if self.max_difference is not None:
            kept = agreement.max_difference <= self.max_difference
            checks["max_difference"] = (f"≤ {self.max_difference:.3g}", kept)
        return checks


SAME_ROUNDING = Bounds(min_top1=0.98, max_perplexity_change=0.0005, max_kl=1e-4)
OTHER_ROUNDING = Bounds(min_top1=0.95, max_perplexity_change=0.01, max_kl=0.005)


def rounds_alike(a: Side, b: Side) -> bool:
    """Whether two sides round activations in the same way, so that only float noise may part them."""
    return a.activations == b.activations != "other"


@dataclass(frozen=True)
class Tokenization:
    """Whether the export cuts texts into the same tokens.

    Attributes:
        by: Whose ids were compared with those that were used.
        texts: How many texts were compared, whole.
        same: How many of them gave the same ids.
        first_difference: Where the first other one departs, in words; None where all are the same.
    """

    by: str
    texts: int
    same: int
    first_difference: str | None

    @classmethod
    def compare(
        cls,
        by: str,
        texts: Sequence[str],
        expected: Sequence[list[int]],
        found: Sequence[list[int]],
    ) -> "Tokenization":
        """Compare two tokenizations of the same texts.

        Args:
            by: Whose `found` is.
            texts: n texts.
            expected: The ids of each that logits were compared on.
            found: The other ids.
        """
        pairs = list(zip(expected, found, strict=True))
        different = [number for number, (a, b) in enumerate(pairs) if a != b]
        first = None
        if different:
            number = different[0]
            a, b = pairs[number]
            at = next(
                (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
                min(len(a), len(b)),
            )
            first = (
                f"text {number} ({texts[number][:30]!r}…), token {at}: {a[at : at + 4] or 'the end'} "
                f"expected, {by} gives {b[at : at + 4] or 'the end'}"
            )
        return cls(by, len(pairs), len(pairs) - len(different), first)


@dataclass(frozen=True)
class VerifyReport:
    """The result of `verify`; prints as a table.

    Attributes:
        agreement: How far the logits agree.
        bounds: What counts as agreement.
        reference: A.
        exported: B.
        tokenization: Whether B cuts texts into the same tokens; None where that could not be compared.
        texts: Texts compared.
        skipped: Texts left out because they have fewer than two tokens.
        cut: Texts of which only the first `max_length` tokens were compared.
        max_length: In tokens.
        notes: What to know about how it was measured.
    """

    agreement: Agreement
    bounds: Bounds
    reference: Side
    exported: Side
    tokenization: Tokenization | None
    texts: int
    skipped: int
    cut: int
    max_length: int
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is within the bounds and the tokens are the same."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """What is not, one sentence each."""
        labels = {field: (label, value) for field, label, value in self.agreement.rows()}
        failures = [
            f"{labels[field][0]} is {labels[field][1]}, the bound {bound}"
            for field, (bound, kept) in self.bounds.checks(self.agreement).items()
            if not kept
        ]
        if self.tokenization is not None and self.tokenization.first_difference is not None:
            failures.append(f"tokens differ: {self.tokenization.first_difference}")
        return failures

    def __str__(self) -> str:
        checks = self.bounds.checks(self.agreement)
        table = [
            (label, value, *_verdict(checks.get(field)))
            for field, label, value in self.agreement.rows()
        ]
        if self.tokenization is not None:
            kept = self.tokenization.first_difference is None
            same = f"{self.tokenization.same} of {self.tokenization.texts}"
            table.append(("texts with equal tokens", same, *_verdict(("all", kept))))
        widths = [max(len(row[column]) for row in table) for column in range(3)]
        lines = [f"A  {self.reference}", f"B  {self.exported}", ""]
        for label, value, bound, verdict in table:
            line = f"{label:<{widths[0]}}  {value:>{widths[1]}}  {bound:<{widths[2]}}  {verdict}"
            lines.append(line.rstrip())
        lines.append("")
        lines.extend(f"note: {note}" for note in (*self._how(), *self.notes))
        lines.extend(f"FAILED: {failure}" for failure in self.failures)
        lines.extend(f"hint: {hint}" for hint in self._hints())
        if self.passed:
            lines.append("passed")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {"passed": self.passed, "failures": self.failures, **asdict(self)}

    def to_json(self) -> str:
        """`to_dict` as indented JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"

    def _how(self) -> list[str]:
        counts = [f"{self.texts} texts of at most {self.max_length} tokens"]
        if self.cut:
            counts.append(f"{self.cut} longer texts were cut there")
        if self.skipped:
            counts.append(f"{self.skipped} texts with fewer than two tokens were skipped")
        notes = ["; ".join(counts)]
        if not rounds_alike(self.reference, self.exported):
            notes.append(
                f"A and B round activations differently (A: {self.reference.activations}, B: "
                f"{self.exported.activations}), which moves logits a little"
            )
        return notes

    def _hints(self) -> list[str]:
        if self.passed:
            return []
        if self.reference.activations == "floats" and self.agreement.kl > 0.01:
            return [
                "A computes in floats, like a dense model. If its folder holds the latent weights of a ternary "
                "model, give the ternary model itself: load_ternary(A)."
            ]
        if self.agreement.kl > 0.01:
            return [
                "So much is not rounding noise. Usual causes: a scale in the other convention (1/γ where γ is "
                "meant), q/k rows in the other order (GGUF), another activation function, weights that were "
                "quantized a second time."
            ]
        top1_kept = self.bounds.checks(self.agreement).get("top1", ("", True))[1]
        if self.agreement.kl <= 1e-3 and not top1_kept:
            return [
                "The distributions are close (KL) but the first token changes: near-ties, as in a model "
                "that was trained little, flip with every int8 rounding. See docs/verify.md."
            ]
        return []


def _verdict(check: tuple[str, bool] | None) -> tuple[str, str]:
    return ("", "") if check is None else (check[0], "ok" if check[1] else "FAILED")
