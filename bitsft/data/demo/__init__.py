"""The rows that `bitsft demo` trains on and asks about: short Korean documents, written for this.

Six JSONL files, UTF-8 in NFC, one row to a line, in the shapes in which users have their own rows:

- RAFT: `id`, `question`, `context` (two or three documents, shuffled), `oracle_context`, `answer`,
  and `cot` in the form of the RAFT paper in every tenth training row;
- KoAlpaca v1.1: `id`, `instruction`, `output`; to be answered without a document.

========================== ===== ========= =======================================================
split                      rows  shape     what it is
========================== ===== ========= =======================================================
train_raft                 549   RAFT      questions about 71 real documents and 360 invented ones
train_koalpaca             423   KoAlpaca  the real facts, and greetings, sums, opposites, meanings
other_wordings_raft        63    RAFT      taught facts, asked in words that training does not use
other_wordings_koalpaca    63    KoAlpaca  taught facts, asked in words that training does not use
other_documents_raft       78    RAFT      29 real documents that training never shows
other_invented_raft        60    RAFT      20 invented documents that training never shows
========================== ===== ========= =======================================================

The real documents are plain facts about countries, Korean towns, old books, animals, elements,
palaces and holidays. The others are about a village or a country that does not exist; they say so
(`가상의 마을`, `가상의 나라`), and the ids of their rows hold `-invented-`. They are there because
a small model learns by heart whatever it can: each of them is asked about once, and half of those
questions name no name (`이 마을의 나무는 무엇인가요?`), so that the answer has to come from the
document. An answer is a piece of its oracle, to the letter.

Licence: Apache-2.0, like the code. The rows were written for this project; none comes from another
data set. Limits: few sentence patterns, one to a kind of fact. Scores on these rows say that
training works, nothing about Korean in general.
"""

import json
from importlib.resources import files
from typing import Any

SPLITS = (
    "train_raft",
    "train_koalpaca",
    "other_wordings_raft",
    "other_wordings_koalpaca",
    "other_documents_raft",
    "other_invented_raft",
)


def load_demo_rows(split: str) -> list[dict[str, Any]]:
    """Read one split of the demo's rows from the installed package.

    Args:
        split: One of `SPLITS`. The end of the name says for which formatter the rows are:
            `format_raft` or `format_koalpaca`.

    Returns:
        The rows in the file's order, as new dicts that the caller may change.

    Raises:
        ValueError: For an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is not known; use one of {list(SPLITS)}")
    text = files(__name__).joinpath(f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]
