"""`RaftCounts`: what `build_raft` did, the real share of rows with their oracle above all."""

from dataclasses import dataclass


@dataclass
class RaftCounts:
    """What `build_raft` did. `str()` fits a log line.

    Attributes:
        rows: RAFT rows made.
        with_oracle: How many of them have their oracle among their documents.
        hard: Distractors that BM25 found.
        random: Distractors drawn at random.
        hard_missed: Distractors that BM25 was to find and that were drawn at random instead, for want
            of chunks that share a term with the question and keep the rules.
        with_answer: Candidates left out for holding the answer.
        near_copies: Candidates left out as near copies of the oracle.
        fewer: Rows with fewer distractors than asked for (`too_few="fewer"`).
        chains_dropped: Chains of thought left out because their oracle was.
        chunks: Different chunks to draw from.
        chunks_repeated: Chunks left out of those because an equal one was there.
        documents_empty: Documents without text.
    """

    rows: int = 0
    with_oracle: int = 0
    hard: int = 0
    random: int = 0
    hard_missed: int = 0
    with_answer: int = 0
    near_copies: int = 0
    fewer: int = 0
    chains_dropped: int = 0
    chunks: int = 0
    chunks_repeated: int = 0
    documents_empty: int = 0

    @property
    def share_with_oracle(self) -> float:
        """The real share p: rows with their oracle, of all rows made; 0.0 without rows."""
        return self.with_oracle / self.rows if self.rows else 0.0

    def __str__(self) -> str:
        line = (
            f"{self.rows:,} RAFT rows, {self.with_oracle:,} ({self.share_with_oracle:.1%}) with their "
            f"oracle; {self.hard:,} hard and {self.random:,} random distractors from {self.chunks:,} "
            f"chunks ({self.chunks_repeated:,} repeated ones left out)"
        )
        if self.hard_missed:
            line += f"; for {self.hard_missed:,} BM25 found none"
        if self.with_answer or self.near_copies:
            line += (
                f"; left out: {self.with_answer:,} candidates that hold the answer, "
                f"{self.near_copies:,} near copies of the oracle"
            )
        return line + (f"; {self.fewer:,} rows with fewer distractors" if self.fewer else "")
