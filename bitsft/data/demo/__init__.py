"""The rows that `bitsft demo` trains on and asks about: short Korean documents, and film reviews.

Eight JSONL files, UTF-8 in NFC, one row to a line, in the shapes in which users have their own rows:

- RAFT: `id`, `question`, `context` (two or three documents, shuffled), `oracle_context`, `answer`,
  and `cot` in the form of the RAFT paper in every tenth training row;
- KoAlpaca v1.1: `id`, `instruction`, `output`; to be answered without a document;
- classification: `text`, `label`.

========================== ===== ============== ==================================================
split                      rows  shape          what it is
========================== ===== ============== ==================================================
train_raft                 549   RAFT           questions about 71 real documents, 360 invented ones
train_koalpaca             423   KoAlpaca       the real facts, greetings, sums, opposites, meanings
other_wordings_raft        63    RAFT           taught facts, asked in words not used in training
other_wordings_koalpaca    63    KoAlpaca       taught facts, asked in words not used in training
other_documents_raft       78    RAFT           29 real documents that training never shows
other_invented_raft        60    RAFT           20 invented documents that training never shows
train_classification       3,600 classification film reviews, half of them 긍정, half 부정
other_classification       400   classification other reviews, half of them 긍정, half 부정
========================== ===== ============== ==================================================

The real documents are plain facts about countries, Korean towns, old books, animals, elements,
palaces and holidays. The others are about a village or a country that does not exist; they say so
(`가상의 마을`, `가상의 나라`), and the ids of their rows hold `-invented-`. They are there because
a small model learns by heart whatever it can: each of them is asked about once, and half of those
questions name no name (`이 마을의 나무는 무엇인가요?`), so that the answer has to come from the
document. An answer is a piece of its oracle, to the letter.

The reviews are a sample of the Naver sentiment movie corpus (https://github.com/e9t/nsmc): 10 to 60
characters, most of them Hangul, none twice, cleaned by `clean_text`, and without those that hold words
one would not print; benchmarks/data/demo_reviews.py made it. 긍정 are ratings of 9 and 10, 부정 of 1 to
4; some contradict their text, as in the source. The model that ships with bitsft has read none of them.

Licence: questions and documents were written for this project and are under Apache-2.0, like the code;
the reviews are under CC0, like their source. Limits: few sentence patterns in the questions, one to a
kind of fact; reviews say what their writers thought. Scores on these rows say that training works,
nothing about Korean in general.
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
    "train_classification",
    "other_classification",
)


def load_demo_rows(split: str) -> list[dict[str, Any]]:
    """Read one split of the demo's rows from the installed package.

    Args:
        split: One of `SPLITS`. The end of the name says for which formatter the rows are:
            `format_raft`, `format_koalpaca` or `format_classification`.

    Returns:
        The rows in the file's order, as new dicts that the caller may change.

    Raises:
        ValueError: For an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is not known; use one of {list(SPLITS)}")
    text = files(__name__).joinpath(f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]
