"""`bitsft data VERB`: one verb a step, and `prepare` for all of them.

    bitsft data prepare raw/ --task koalpaca --out data/      check, clean, duplicates, split, report
    bitsft data check raw.csv --task koalpaca --map Q=instruction,A=output --out checked.jsonl
    bitsft data clean checked.jsonl --out clean.jsonl --dry-run

Each verb is a few lines around the function of the same name in `bitsft.data`.
"""

import argparse
from collections.abc import Callable

from bitsft.cli.data import build, folders, look, rows

VERBS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "prepare": ("from raw files to a folder that trains: all the steps", folders.add_prepare),
    "check": ("check rows against their task; rejects go to a file", rows.add_check),
    "clean": ("Unicode, white space, repeats, personal data", rows.add_clean),
    "dedupe": ("leave out exact and near duplicates", rows.add_dedupe),
    "raft": ("documents and questions into RAFT rows", build.add_raft),
    "augment": (
        "rows again in another order, with other distractors or instructions",
        build.add_augment,
    ),
    "quality": ("relevance and groundedness; the worst rows first", look.add_quality),
    "balance": ("as many rows of each label", build.add_balance),
    "mix": ("several training sets into one, with weights; after the split", build.add_mix),
    "budget": ("tokens of prompt and completion, and what max_length cuts", look.add_budget),
    "split": (
        "train, validation and test without leaks, with manifest and card",
        folders.add_split,
    ),
    "leaks": ("what two files share: rows, questions, documents", look.add_leaks),
    "report": ("an HTML page on a folder that prepare or split wrote", folders.add_report),
    "format": ("rows into the prompt and completion that the trainer sees", rows.add_format),
    "verify": ("whether a folder still holds what its manifest says", folders.add_verify),
}


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `bitsft data`.

    Args:
        parser: The parser of `bitsft data`.
    """
    verbs = parser.add_subparsers(dest="data_verb", required=True, metavar="VERB")
    for name, (summary, add) in VERBS.items():
        add(verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."))
