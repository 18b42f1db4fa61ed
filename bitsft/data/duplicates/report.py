"""`DuplicateReport`: how many duplicates there were, for the manifest and the page to look at.

The stages are generators, so the counts are complete only when their rows have been gone through.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Conflict:
    """Two rows that ask the same and answer differently.

    Attributes:
        question: What both ask.
        source: The origin of the later row.
        row_number: Its index in the source, from 0.
        answer: Its answer.
        first_source: The origin of the first row that asked this.
        first_row_number: Its index in the source, from 0.
        first_answer: Its answer, cut to 80 characters.
    """

    question: str
    source: str
    row_number: int
    answer: str
    first_source: str
    first_row_number: int
    first_answer: str


@dataclass
class DuplicateReport:
    """Counts of duplicates; `drop_exact_duplicates` and `drop_near_duplicates` add to it.

    Attributes:
        exact: Rows dropped because an earlier one is equal.
        near: Rows dropped because a kept one is similar.
        clusters: Kept rows for which at least one similar row was dropped.
        sizes: How many clusters have how many rows, the kept one included.
        refused: Rows that MinHash found similar and the second opinion did not; they were kept.
        conflicts: Rows whose question was asked before and answered differently.
        examples: The first few conflicts.
    """

    exact: int = 0
    near: int = 0
    clusters: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    conflicts: int = 0
    examples: list[Conflict] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The counts, for a manifest."""
        return {
            "exact": self.exact,
            "near": self.near,
            "clusters": self.clusters,
            "cluster_sizes": {str(size): count for size, count in sorted(self.sizes.items())},
            "refused_by_second_opinion": self.refused,
            "conflicts": self.conflicts,
        }

    def __str__(self) -> str:
        line = f"{self.exact:,} exact duplicates, {self.near:,} near ones"
        if self.clusters:
            line += f" in {self.clusters:,} clusters of up to {max(self.sizes):,} rows"
        if self.refused:
            line += f", {self.refused:,} more refused by the second opinion"
        if self.conflicts:
            line += f", {self.conflicts:,} questions answered differently"
        return line
