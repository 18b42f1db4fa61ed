"""What `max_length` costs: counted row by row before TRL truncates, because TRL itself does not say.

TRL keeps the first (or last) `max_length` tokens of a row and drops a row whose trained tokens were all
cut off, without a word. For questions over long Korean documents that is most answers (docs/data.md).
"""

from dataclasses import dataclass

from datasets import Dataset


@dataclass(frozen=True)
class Truncation:
    """Counts over one tokenized dataset.

    Attributes:
        rows: All rows.
        truncated: Rows longer than `max_length` tokens.
        partly_untrained: Rows that lose some, but not all, of their trained tokens.
        dropped: Numbers of the rows that lose all of them (0 = first row).
        longest: Tokens in the longest row.
        max_length: The limit, in tokens.
    """

    rows: int
    truncated: int
    partly_untrained: int
    dropped: tuple[int, ...]
    longest: int
    max_length: int

    def __str__(self) -> str:
        first = ", ".join(str(number) for number in self.dropped[:10])
        more = ", …" if len(self.dropped) > 10 else ""
        numbers = f" (row numbers {first}{more})" if self.dropped else ""
        return (
            f"{self.truncated} of {self.rows} rows are longer than max_length={self.max_length} tokens: "
            f"{self.partly_untrained} lose part of what is trained, {len(self.dropped)} lose all of it and "
            f"are dropped{numbers}. max_length={self.longest} keeps every row whole."
        )


def count_truncation(dataset: Dataset, max_length: int, *, keep_end: bool = False) -> Truncation:
    """Count what truncation takes from a tokenized dataset.

    Args:
        dataset: Rows with `input_ids` and `labels` (-100 where nothing is trained), not yet truncated.
        max_length: The limit, in tokens.
        keep_end: The last tokens are kept (`truncation_mode="keep_end"`) instead of the first.

    Returns:
        The counts.
    """
    truncated = partly = longest = 0
    dropped: list[int] = []
    for number, labels in enumerate(dataset["labels"]):
        longest = max(longest, len(labels))
        if len(labels) <= max_length:
            continue
        truncated += 1
        kept = labels[-max_length:] if keep_end else labels[:max_length]
        trained_before = sum(label != -100 for label in labels)
        trained_after = sum(label != -100 for label in kept)
        if trained_after == 0:
            dropped.append(number)
        elif trained_after < trained_before:
            partly += 1
    return Truncation(len(dataset), truncated, partly, tuple(dropped), longest, max_length)
