"""`SplitReport`: what was wanted of a split, what came out, and what to know about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STRATA_SHOWN = 12


@dataclass(frozen=True)
class SplitReport:
    """The counts of a split.

    Attributes:
        settings: How it was made: ratios, group_by, stratify_by, seed, method, clusters.
        rows: Rows in each split.
        groups: Groups in each split.
        largest_group: Rows in the largest group.
        strata: For each stratum, its rows in each split.
        warnings: What is not as wanted, and the remedy.
    """

    settings: Mapping[str, Any]
    rows: Mapping[str, int]
    groups: Mapping[str, int]
    largest_group: int
    strata: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...] = ()

    @property
    def ratios(self) -> dict[str, float]:
        """The share of the rows that each split got."""
        total = sum(self.rows.values())
        return {name: rows / total for name, rows in self.rows.items()}

    def as_dict(self) -> dict[str, Any]:
        """The counts, for a manifest."""
        return {
            "rows": dict(self.rows),
            "ratios": {name: round(ratio, 6) for name, ratio in self.ratios.items()},
            "groups": dict(self.groups),
            "largest_group": self.largest_group,
            "strata": {name: dict(rows) for name, rows in self.strata.items()},
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        wanted = self.settings["ratios"]
        lines = [
            f"{sum(self.rows.values()):,} rows in {sum(self.groups.values()):,} groups, the largest "
            f"of {self.largest_group:,}; method {self.settings['method']}, seed {self.settings['seed']}"
        ]
        lines += [
            f"  {name}: {rows:,} rows in {self.groups[name]:,} groups, "
            f"{self.ratios[name]:.2%} (wanted {wanted[name]:.2%})"
            for name, rows in self.rows.items()
        ]
        if len(self.strata) > 1:
            lines.append("  rows wanted -> got, by stratum:")
            for stratum, got in list(self.strata.items())[:_STRATA_SHOWN]:
                total = sum(got.values())
                lines.append(
                    f"    {stratum}: "
                    + ", ".join(f"{wanted[name] * total:,.1f} -> {got[name]:,}" for name in got)
                )
            if len(self.strata) > _STRATA_SHOWN:
                lines.append(f"    and {len(self.strata) - _STRATA_SHOWN:,} more strata")
        return "\n".join([*lines, *(f"  Warning: {warning}" for warning in self.warnings)])


def warnings_of(
    settings: Mapping[str, Any],
    rows: Mapping[str, int],
    largest_group: int,
    strata: Mapping[str, Mapping[str, int]],
) -> tuple[str, ...]:
    """Say where a split is off its ratio by a fifth (and two rows), or lacks a stratum."""
    ratios = settings["ratios"]
    total = sum(rows.values())
    is_large = largest_group > min(ratios.values()) * total / 2
    by_chance = settings["method"] == "hash" and not is_large
    remedy = "; method='exact' meets the ratios" if by_chance else ""
    found = []
    for name, got in rows.items():
        want = ratios[name] * total
        if abs(got - want) > max(0.2 * want, 2):
            found.append(f"{name} got {got:,} rows where {want:,.0f} were wanted{remedy}")
    if found and is_large:
        found.append(
            f"the largest group holds {largest_group:,} of {total:,} rows, which must stay together; "
            "another group_by (e.g. 'document', when unrelated rows ask the same) makes smaller groups"
        )
    for name in rows:
        lacking = [
            stratum
            for stratum, got in strata.items()
            if not got[name] and ratios[name] * sum(got.values()) >= 1
        ]
        if lacking:
            shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            found.append(f"{name} has no rows of {shown}{remedy}")
    return tuple(found)
