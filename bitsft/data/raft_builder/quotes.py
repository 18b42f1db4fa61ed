"""`check_quotes`: is every quote of a chain of thought verbatim?

RAFT's chain of thought quotes the oracle between `##begin_quote##` and `##end_quote##` (arXiv 2403.10131,
Figure 3). Who writes it (a model, mostly) also invents quotes, and a model trained on those learns to.

A quote is verbatim when it occurs in the oracle as it stands. Two freedoms only: Unicode NFC or NFD, and
white space, which is taken out of both before they are compared. Case, punctuation and particles count.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bitsft.data.common.choices import check_choice
from bitsft.data.ledger import Ledger
from bitsft.data.raft_notation import BEGIN_QUOTE, END_QUOTE, quotes_pair_up
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import task_of, texts_of

_QUOTE = re.compile(f"{BEGIN_QUOTE}(.*?){END_QUOTE}", re.DOTALL)
_WITHIN = ("oracle", "documents")


def quotes_of(chain: str) -> list[str]:
    """Return the texts between the quote marks, stripped, in order."""
    return [quote.strip() for quote in _QUOTE.findall(chain)]


def quotes_not_in(chain: str, documents: Iterable[str]) -> list[str]:
    """Return the quotes of a chain of thought that are in none of the documents; empty ones too."""
    quotes = quotes_of(chain)
    if not quotes:
        return []
    bare = [_same_spacing(document) for document in documents]
    wanted = [(quote, _same_spacing(quote)) for quote in quotes]
    return [text for text, quote in wanted if not quote or not any(quote in doc for doc in bare)]


def check_quotes(row: Mapping[str, Any], *, within: str = "oracle") -> list[str]:
    """Return the quotes of a RAFT row that are not verbatim.

    Args:
        row: A row of the task raft, with its columns as `check_records` leaves them.
        within: Where a quote must occur: `"oracle"`, in `oracle_context`, whether the row's context has
            it or not; or `"documents"`, in one of the documents that the model is shown. A row that does
            not tell its oracle is always checked against its documents.

    Returns:
        The quotes in none of these texts, and `""` for an empty quote; `[]` when all is well, also for a
        row without a chain of thought or without quotes.

    Raises:
        ValueError: For another `within`.
    """
    check_choice("within", within, _WITHIN)
    oracle = row.get("oracle_context")
    documents = [oracle] if within == "oracle" and oracle else texts_of(row.get("context"))
    return quotes_not_in(row.get("cot") or "", documents)


def check_quoted_records(
    rows: Iterable[Record | Mapping[str, Any]], *, ledger: Ledger, within: str = "oracle"
) -> Iterator[Record]:
    """Reject RAFT rows whose chain of thought quotes what is not there.

    `build_raft` checks its own rows. This is for RAFT rows from elsewhere; rows of other tasks pass.

    Args:
        rows: Checked rows.
        ledger: Where rejected rows are written down.
        within: `"oracle"` or `"documents"`; see `check_quotes`.

    Raises:
        ValueError: For another `within`, or a row that names no task.
    """
    check_choice("within", within, _WITHIN)
    for record in as_records(rows, ledger):
        row = record.values
        if task_of(row).name != "raft":
            yield record
            continue
        chain = row.get("cot") or ""
        wrong = check_quotes(row, within=within)
        if not quotes_pair_up(chain):
            ledger.reject(
                record,
                stage="raft_builder",
                field="cot",
                value=chain,
                reason="has quote marks that do not pair up",
                remedy="Close every ##begin_quote## with an ##end_quote## before the next one opens",
            )
        elif wrong:
            reject_quotes(record, wrong, chain, ledger)
        else:
            yield record


def reject_quotes(record: Record, wrong: list[str], chain: str, ledger: Ledger) -> None:
    """Account for a row whose chain of thought has these quotes that are not verbatim."""
    first = next(filter(None, wrong), "")
    ledger.reject(
        record,
        stage="raft_builder",
        field="cot",
        value=chain,
        reason="quotes what its document does not say",
        remedy="Quote verbatim, or take the quote marks out",
        detail=f"{len(wrong)} quotes, e.g. {first[:80]!r}" if first else "an empty quote",
    )


def _same_spacing(text: str) -> str:
    """Return the text in NFC and without white space: nothing else of a quote may differ."""
    return unicodedata.normalize("NFC", "".join(text.split()))
