"""Raw rows -> checked -> formatted -> within the token budget.

    rows = read_rows("train.csv")                        # a list of dicts
    done = format_rows(rows, format_raft)                # {"prompt", "completion"}, and the rejects
    print(token_budget(done.dataset, tokenizer, 2048))   # what max_length=2048 would cut

The names are resolved at first use. None of the modules behind them needs more than the standard
library to be imported; `datasets` and `pyarrow` are imported where they are used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitsft.data.budget import TokenBudget as TokenBudget
    from bitsft.data.budget import token_budget as token_budget
    from bitsft.data.check.rows import KoAlpacaRow as KoAlpacaRow
    from bitsft.data.check.rows import RaftRow as RaftRow
    from bitsft.data.fields import RowError as RowError
    from bitsft.data.format.koalpaca import format_koalpaca as format_koalpaca
    from bitsft.data.format.raft import format_raft as format_raft
    from bitsft.data.format.rows import Formatted as Formatted
    from bitsft.data.format.rows import format_rows as format_rows
    from bitsft.data.ledger import RejectedRow as RejectedRow
    from bitsft.data.raft_notation import raft_final_answer as raft_final_answer
    from bitsft.data.read import read_rows as read_rows

_MODULE_OF = {
    "Formatted": "format.rows",
    "KoAlpacaRow": "check.rows",
    "RaftRow": "check.rows",
    "RejectedRow": "ledger",
    "RowError": "fields",
    "TokenBudget": "budget",
    "format_koalpaca": "format.koalpaca",
    "format_raft": "format.raft",
    "format_rows": "format.rows",
    "raft_final_answer": "raft_notation",
    "read_rows": "read",
    "token_budget": "budget",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bitsft.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bitsft.data.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
