"""`trim_to_tokens`: make a RAFT row fit by taking from its distractors, and from nothing else.

The question, the oracle, the chain of thought and the answer stay whole. TRL would cut the row's end, which
is the answer: with `max_length=1024` every row with four Korean paragraphs lost some of it. A row whose
oracle, question and answer alone do not fit is refused.

`cut="documents"` leaves out whole distractors, in an order that the row's hash decides. Always the last one
would move the oracle towards the end. `cut="sentences"` keeps as many documents as it can: the longest
distractor loses its last sentence, again and again; one that has a single sentence left, or of which too
little is left to tell it from another document, is left out.

The count is that of the formatted row, instruction and marks included, with the real tokenizer (`tokens.py`).
A row without its oracle keeps at least one document.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bitsft.data.common.choices import check_choice
from bitsft.data.common.normal_form import normal_form
from bitsft.data.common.seeded import generator
from bitsft.data.fields import RowError
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder.chunks import sentences
from bitsft.data.raft_builder.tokens import Render, TokenCounter
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import task_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CUTS = ("documents", "sentences")


def trim_to_tokens(
    row: Mapping[str, Any],
    tokenizer: "PreTrainedTokenizerBase",
    max_tokens: int,
    *,
    render: Render,
    cut: str = "documents",
    min_distractors: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the row with as many of its distractors as fit; equal to the row where all do.

    Args:
        row: A row of the task raft with `oracle_context`, as `build_raft` makes it.
        tokenizer: The tokenizer to train with. It is left as it was.
        max_tokens: The most tokens that the formatted row may have.
        render: Formats the row, e.g. `format_raft`; see `TokenCounter`.
        cut: `"documents"` leaves out whole distractors, `"sentences"` cuts them at sentences first.
        min_distractors: Refuse a row that could only fit with fewer.
        seed: Decides, with the row, which distractors go first.

    Raises:
        RowError: When the row does not fit even so, or does not tell its oracle.
        ValueError: For a `max_tokens` below 1, a negative `min_distractors` or an unknown `cut`.
    """
    _check(max_tokens, cut, min_distractors)
    counter = TokenCounter(tokenizer, render)
    return _trim(row, counter, max_tokens, cut, min_distractors, seed)


def trim_records(
    rows: Iterable[Record | Mapping[str, Any]],
    tokenizer: "PreTrainedTokenizerBase",
    max_tokens: int,
    *,
    ledger: Ledger,
    render: Render,
    cut: str = "documents",
    min_distractors: int = 0,
    seed: int = 0,
) -> Iterator[Record]:
    """Trim RAFT rows to a number of tokens; rows of other tasks pass as they are.

    Args:
        rows: Checked rows.
        tokenizer: The tokenizer to train with.
        max_tokens: The most tokens that a formatted row may have.
        ledger: Where rejected rows are written down, and trimmed ones counted.
        render: See `trim_to_tokens`, as for the others.
        cut: `"documents"` or `"sentences"`.
        min_distractors: Reject a row that could only fit with fewer.
        seed: Decides, with the row, which distractors go first.

    Raises:
        ValueError: As `trim_to_tokens`, or for a row that names no task.
    """
    _check(max_tokens, cut, min_distractors)
    counter = TokenCounter(tokenizer, render)
    for record in as_records(rows, ledger):
        row = record.values
        if task_of(row).name != "raft":
            yield record
            continue
        try:
            trimmed = _trim(row, counter, max_tokens, cut, min_distractors, seed)
        except RowError as error:
            ledger.reject_error(record, error, "raft_builder")
            continue
        _count_changes(record, row["context"], trimmed["context"], ledger)
        yield Record(trimmed, record.source, record.number)


def _trim(
    row: Mapping[str, Any],
    counter: TokenCounter,
    max_tokens: int,
    cut: str,
    min_distractors: int,
    seed: int,
) -> dict[str, Any]:
    oracle = row.get("oracle_context")
    tokens = counter.of_row(row)
    if tokens <= max_tokens:
        return dict(row)
    if not oracle:
        raise RowError(
            "oracle_context",
            "is missing in a row that is too long",
            "Name the oracle: it is what must not be cut",
        )
    documents = _Documents(row, counter, cut, min_distractors, seed)
    while tokens > max_tokens:
        # The parts' own counts only tell how much to take before the whole row is counted again.
        excess, taken = tokens - max_tokens, 0
        while taken < excess and (step := documents.shrink()):
            taken += step
        if not taken:
            raise RowError(
                "context",
                "is too long even with as few distractors as are allowed",
                "Raise max_tokens, or cut the documents into smaller chunks",
                f"{tokens} tokens, max_tokens={max_tokens}",
            )
        tokens = counter.of_row({**row, "context": documents.shown})
    return {**row, "context": documents.shown}


class _Documents:
    """The documents of a row, of which the distractors can be made fewer or shorter."""

    def __init__(
        self,
        row: Mapping[str, Any],
        counter: TokenCounter,
        cut: str,
        min_distractors: int,
        seed: int,
    ) -> None:
        oracle = normal_form(row["oracle_context"])
        self._texts: list[str] = list(row["context"])
        self._cut = cut
        self._out = [n for n, text in enumerate(self._texts) if normal_form(text) != oracle]
        self._least = max(min_distractors, 0 if len(self._out) < len(self._texts) else 1)
        generator(seed, "trim", normal_form(row["question"]), oracle).shuffle(self._out)
        self._parts = {
            n: sentences(self._texts[n]) if cut == "sentences" else [self._texts[n]]
            for n in self._out
        }
        self._sizes = {n: list(map(counter.of_text, self._parts[n])) for n in self._out}
        self._left_out: set[int] = set()

    @property
    def shown(self) -> list[str]:
        """The documents that are left, in their order."""
        return [text for n, text in enumerate(self._texts) if n not in self._left_out]

    def shrink(self) -> int:
        """Take a document or a sentence away; return about how many tokens, 0 when none may go."""
        # `_out` holds the distractors that are left, in the order in which they go.
        candidates = list(self._out)
        if self._cut == "sentences":
            candidates.sort(key=lambda n: -sum(self._sizes[n]))
        for n in candidates:
            if len(self._parts[n]) > 1:
                shorter = _start_of(self._texts[n], self._parts[n][:-1])
                if not self._repeats(shorter, n):
                    self._texts[n] = shorter
                    self._parts[n].pop()
                    return max(1, self._sizes[n].pop())
            if len(self._out) > self._least:
                self._out.remove(n)
                self._left_out.add(n)
                return max(1, sum(self._sizes[n]))
        return 0

    def _repeats(self, text: str, number: int) -> bool:
        """Whether a distractor cut to this text is contained in another document."""
        normal = normal_form(text)
        others = (n for n in range(len(self._texts)) if n != number and n not in self._left_out)
        return any(normal in normal_form(self._texts[n]) for n in others)


def _start_of(text: str, parts: list[str]) -> str:
    """Return the text up to the end of the last of its first parts, as it stands there."""
    end = 0
    for part in parts:
        end = text.index(part, end) + len(part)
    return text[:end].strip()


def _count_changes(record: Record, before: list[str], after: list[str], ledger: Ledger) -> None:
    dropped = len(before) - len(after)
    shorter = len(set(after) - set(before))
    for kind, times in (("distractors left out", dropped), ("distractors cut", shorter)):
        if times:
            ledger.changed(
                record,
                stage="raft_builder",
                kind=kind,
                field="context",
                before=f"{len(before)} documents, {sum(map(len, before))} characters",
                after=f"{len(after)} documents, {sum(map(len, after))} characters",
                times=times,
            )


def _check(max_tokens: int, cut: str, min_distractors: int) -> None:
    if max_tokens < 1:
        raise ValueError(f"max_tokens={max_tokens} must be at least 1")
    check_choice("cut", cut, CUTS)
    if min_distractors < 0:
        raise ValueError(f"min_distractors={min_distractors} must be 0 or more")
