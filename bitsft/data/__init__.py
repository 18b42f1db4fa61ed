"""Raw rows -> checked, cleaned, without duplicates, split without leaks, within the token budget.

    prepare("raw/", "data/", task="koalpaca")            # all of it: files in, a folder that trains out
    splits = load_prepared("data/")                       # {"prompt", "completion"} for the trainer

or stage by stage (`records.py` shows how they chain), each a generator that takes and gives records and
tells a `Ledger` what became of every row.

The names are resolved at first use: `import bitsft.data` itself needs only the standard library.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitsft.data.augment import augment_records as augment_records
    from bitsft.data.budget import TokenBudget as TokenBudget
    from bitsft.data.budget import token_budget as token_budget
    from bitsft.data.check import Bounds as Bounds
    from bitsft.data.check import KoAlpacaRow as KoAlpacaRow
    from bitsft.data.check import RaftRow as RaftRow
    from bitsft.data.check import check_records as check_records
    from bitsft.data.clean import Cleaning as Cleaning
    from bitsft.data.clean import clean_records as clean_records
    from bitsft.data.clean import clean_text as clean_text
    from bitsft.data.clean import find_personal as find_personal
    from bitsft.data.duplicates import DuplicateReport as DuplicateReport
    from bitsft.data.duplicates import drop_exact_duplicates as drop_exact_duplicates
    from bitsft.data.duplicates import drop_near_duplicates as drop_near_duplicates
    from bitsft.data.duplicates import near_duplicates as near_duplicates
    from bitsft.data.fields import RowError as RowError
    from bitsft.data.format import Formatted as Formatted
    from bitsft.data.format import format_koalpaca as format_koalpaca
    from bitsft.data.format import format_raft as format_raft
    from bitsft.data.format import format_record as format_record
    from bitsft.data.format import format_records as format_records
    from bitsft.data.format import format_rows as format_rows
    from bitsft.data.ledger import Ledger as Ledger
    from bitsft.data.mix import mix_records as mix_records
    from bitsft.data.pipeline import Prepared as Prepared
    from bitsft.data.pipeline import prepare as prepare
    from bitsft.data.prepared import load_prepared as load_prepared
    from bitsft.data.quality import QualityReport as QualityReport
    from bitsft.data.quality import balance_records as balance_records
    from bitsft.data.quality import balance_report as balance_report
    from bitsft.data.quality import quality_records as quality_records
    from bitsft.data.raft_builder import build_raft as build_raft
    from bitsft.data.raft_builder import check_quotes as check_quotes
    from bitsft.data.raft_builder import trim_records as trim_records
    from bitsft.data.raft_notation import raft_final_answer as raft_final_answer
    from bitsft.data.read import read_records as read_records
    from bitsft.data.read import read_rows as read_rows
    from bitsft.data.records import Record as Record
    from bitsft.data.rejected import RejectedRow as RejectedRow
    from bitsft.data.report import build_report as build_report
    from bitsft.data.report import report_from_folder as report_from_folder
    from bitsft.data.report import write_report as write_report
    from bitsft.data.split import find_leaks as find_leaks
    from bitsft.data.split import split_records as split_records
    from bitsft.data.split import verify_manifest as verify_manifest
    from bitsft.data.split import write_split as write_split
    from bitsft.data.tasks import TASKS as TASKS
    from bitsft.data.write import as_dataset as as_dataset
    from bitsft.data.write import collect as collect
    from bitsft.data.write import write_records as write_records

_MODULE_OF = {
    "Bounds": "check",
    "Cleaning": "clean",
    "DuplicateReport": "duplicates",
    "Formatted": "format",
    "KoAlpacaRow": "check",
    "Ledger": "ledger",
    "Prepared": "pipeline",
    "QualityReport": "quality",
    "RaftRow": "check",
    "Record": "records",
    "RejectedRow": "rejected",
    "RowError": "fields",
    "TASKS": "tasks",
    "TokenBudget": "budget",
    "as_dataset": "write",
    "augment_records": "augment",
    "balance_records": "quality",
    "balance_report": "quality",
    "build_raft": "raft_builder",
    "build_report": "report",
    "check_quotes": "raft_builder",
    "check_records": "check",
    "clean_records": "clean",
    "clean_text": "clean",
    "collect": "write",
    "drop_exact_duplicates": "duplicates",
    "drop_near_duplicates": "duplicates",
    "find_leaks": "split",
    "find_personal": "clean",
    "format_koalpaca": "format",
    "format_raft": "format",
    "format_record": "format",
    "format_records": "format",
    "format_rows": "format",
    "load_prepared": "prepared",
    "mix_records": "mix",
    "near_duplicates": "duplicates",
    "prepare": "pipeline",
    "quality_records": "quality",
    "raft_final_answer": "raft_notation",
    "read_records": "read",
    "read_rows": "read",
    "report_from_folder": "report",
    "split_records": "split",
    "token_budget": "budget",
    "trim_records": "raft_builder",
    "verify_manifest": "split",
    "write_records": "write",
    "write_report": "report",
    "write_split": "split",
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
