"""`build_raft`: documents and questions with answers -> RAFT rows.

RAFT (arXiv 2403.10131, section 3) trains on two kinds of rows:

    share p:      question + oracle + k distractors          -> chain of thought, answer
    share 1 - p:  question + k + 1 distractors, no oracle    -> see `missing_oracle`

The oracle is the document that the answer comes from. The paper recommends p = 0.8 and k = 3 or 4.
Every row has k + 1 documents, as in the authors' own generator: with one document less the rows without
an oracle could be told by counting. What a distractor may be: `distractors.py`.

*The answer without the oracle.* `missing_oracle="answer"` is the paper's choice: the answer stays, and the
model has to know it by heart. `"refuse"` replaces it with a sentence that says the documents do not tell.
That teaches to refuse, and does not teach the answer. There is no right choice for all uses.

*The chain of thought without the oracle* is dropped: it would teach to quote what is not there. The paper
keeps it, and so does `cot_without_oracle="keep"`. With `"refuse"` it is always dropped.

*What decides.* Each choice of a row depends on the seed and on the row's own question, answer and oracle
(`seeded.py`): rows added to the file do not change which of the others have an oracle, or where it stands.
Two rows that are equal in these three get the same documents.

Limits: the rows and the chunks are held in memory, as each row may get any chunk. An answer in other words
in a distractor is not noticed, nor a chunk that answers a yes/no question by chance.
"""

import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.data.common.answers import Answers
from bitsft.data.common.hashing import stable_hash
from bitsft.data.common.normal_form import normal_form
from bitsft.data.common.seeded import generator, unit
from bitsft.data.fields import RowError
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder.bm25 import Bm25Ranking, character_pairs
from bitsft.data.raft_builder.counts import RaftCounts
from bitsft.data.raft_builder.distractors import draw_distractors
from bitsft.data.raft_builder.options import RaftOptions
from bitsft.data.raft_builder.pool import ChunkPool, Document
from bitsft.data.raft_builder.question_rows import QuestionRow
from bitsft.data.raft_builder.quotes import quotes_not_in, reject_quotes
from bitsft.data.records import Record, as_records

logger = logging.getLogger(__name__)

STAGE = "raft_builder"
REFUSALS = {
    "ko": "주어진 문서에서 답을 찾을 수 없습니다.",
    "en": "The answer cannot be found in the given documents.",
}


@dataclass(frozen=True)
class _Prepared:
    """A row that was read, with its oracle chosen."""

    record: Record
    row: QuestionRow
    oracle: str
    answers: Answers
    key: int


def build_raft(
    documents: Iterable[Document] | ChunkPool,
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    ledger: Ledger,
    distractors: int = 3,
    p: float = 0.8,
    hard: float = 0.0,
    seed: int = 0,
    missing_oracle: str = "answer",
    refusal: str = REFUSALS["ko"],
    cot_without_oracle: str = "drop",
    too_few: str = "reject",
    allow_answer_in_distractors: bool = False,
    near_copy: float = 0.7,
    chunk_size: int | None = None,
    chunk_overlap: int = 0,
    size: Callable[[str], int] = len,
    text_column: str = "text",
    id_column: str = "id",
    document_column: str = "document_id",
    terms: Callable[[str], Sequence[str]] = character_pairs,
    counts: RaftCounts | None = None,
) -> Iterator[Record]:
    """Build RAFT rows, one for each question row, in their order.

    Args:
        documents: Texts, or rows with a text and, optionally, an id, for the distractors. The documents
            of the rows come on top of them, so it may be empty. They are no rows to be accounted for:
            read them with a ledger of their own. Or a `ChunkPool`, to which the rows' documents are added.
        rows: Questions with answer and oracle; see `QuestionRow`.
        ledger: Where rejected rows and changes are written down.
        distractors: How many documents stand beside the oracle (k). A row without an oracle has one more.
        p: The share of rows with their oracle, 0 to 1: each row's chance, not a count.
        hard: The share of distractors that are the best by BM25 for the question, 0 to 1; it needs the
            extra `data`. The rest is drawn at random, every chunk with the same chance.
        seed: Another seed makes other choices.
        missing_oracle: The answer where the oracle is left out: `"answer"` or `"refuse"`.
        refusal: The sentence for `"refuse"`.
        cot_without_oracle: The chain of thought there: `"drop"` or `"keep"`.
        too_few: What becomes of a row for which the rules leave too few distractors: `"reject"`, or
            `"fewer"` (counted; a row is rejected where not even one document is left).
        allow_answer_in_distractors: Allow distractors that hold the answer. A refused row never has one.
        near_copy: A chunk that has this share of its character trigrams in common with the oracle, or
            the oracle with it, is no distractor; 1 for no such rule. See `distractors.py`.
        chunk_size: Cut documents, oracles too, into chunks of at most this size; None does not cut.
        chunk_overlap: How much of a chunk the next one repeats, at most.
        size: What chunk sizes count: characters by default; pass a tokenizer's count for tokens.
        text_column: The documents' column of texts.
        id_column: The documents' column of ids.
        document_column: The rows' column with the id of the document that is their oracle.
        terms: Splits a text into the terms that BM25 compares.
        counts: Filled in with what was done; it is also logged at the end.

    Returns:
        Rows of the task raft. `oracle_context` is the oracle, whether the row's documents have it or not.

    Raises:
        ValueError: For an option out of its range, or a document that cannot be read.
        ImportError: For hard distractors without `bm25s`.

    Source: arXiv 2403.10131, section 3.
    """
    options = RaftOptions(
        distractors=distractors,
        p=p,
        hard=float(hard),
        seed=seed,
        missing_oracle=missing_oracle,
        refusal=refusal,
        cot_without_oracle=cot_without_oracle,
        too_few=too_few,
        allow_answer_in_distractors=allow_answer_in_distractors,
        near_copy=near_copy,
    )
    options.check()
    if isinstance(documents, ChunkPool):
        if chunk_size is not None or chunk_overlap:
            raise ValueError("chunk_size and chunk_overlap belong to the ChunkPool; leave them out")
        pool = documents
    else:
        pool = ChunkPool(chunk_size=chunk_size, chunk_overlap=chunk_overlap, size=size)
        pool.add_documents(documents, text_column=text_column, id_column=id_column)
    return _build(
        pool,
        rows,
        ledger,
        options,
        document_column,
        terms,
        RaftCounts() if counts is None else counts,
    )


def _build(
    pool: ChunkPool,
    rows: Iterable[Record | Mapping[str, Any]],
    ledger: Ledger,
    options: RaftOptions,
    document_column: str,
    terms: Callable[[str], Sequence[str]],
    counts: RaftCounts,
) -> Iterator[Record]:
    prepared = []
    oracles_of: dict[str, set[str]] = defaultdict(set)
    for record in as_records(rows, ledger):
        try:
            ready = _prepare(record, pool, document_column, options.seed)
        except RowError as error:
            ledger.reject_error(record, error, STAGE)
            continue
        wrong = quotes_not_in(ready.row.cot or "", [ready.oracle])
        if wrong:
            reject_quotes(record, wrong, ready.row.cot or "", ledger)
            continue
        oracles_of[normal_form(ready.row.question)].add(normal_form(ready.oracle))
        prepared.append(ready)

    counts.chunks, counts.chunks_repeated = len(pool), pool.repeated
    counts.documents_empty = pool.documents_empty
    ranking = Bm25Ranking(pool.texts, pool.keys, terms) if options.hard and prepared else None
    for ready in prepared:
        avoid = oracles_of[normal_form(ready.row.question)]
        made = _make(ready, pool, ranking, avoid, ledger, options, counts)
        if made is not None:
            yield made
    logger.info("%s", counts)


def _prepare(record: Record, pool: ChunkPool, document_column: str, seed: int) -> _Prepared:
    """Read a row, add its documents to the pool, choose its oracle."""
    row = QuestionRow.read(record.values, pool.documents, document_column)
    chunks = pool.split(row.oracle)
    for chunk in itertools.chain(chunks, *map(pool.split, row.others)):
        pool.add(chunk)
    answers = Answers(row.answers)
    # Not the chunk but the whole oracle: another chunk size leaves the choices as they are.
    own = (row.question, row.answers[0], row.oracle)
    key = stable_hash(seed, *map(normal_form, own))
    return _Prepared(record, row, row.choose_chunk(chunks, answers), answers, key)


def _make(
    ready: _Prepared,
    pool: ChunkPool,
    ranking: Bm25Ranking | None,
    avoid: set[str],
    ledger: Ledger,
    options: RaftOptions,
    counts: RaftCounts,
) -> Record | None:
    row, record = ready.row, ready.record
    has_oracle = unit("oracle", ready.key) < options.p
    refused = not has_oracle and options.missing_oracle == "refuse"
    wanted = options.distractors + (not has_oracle)
    drawn = draw_distractors(
        pool,
        wanted,
        question=row.question,
        beside=[ready.oracle],
        row_key=ready.key,
        answers=None if options.allow_answer_in_distractors and not refused else ready.answers,
        avoid=avoid,
        ranking=ranking,
        hard=options.hard,
        near_copy=options.near_copy,
    )
    counts.with_answer += drawn.with_answer
    counts.near_copies += drawn.near_copies
    found = len(drawn.texts)
    if found < wanted and (options.too_few == "reject" or not (found or has_oracle)):
        ledger.reject(
            record,
            stage=STAGE,
            field="context",
            value=found,
            reason="has too few distractors",
            remedy="Add documents, ask for fewer distractors, or set too_few='fewer'",
            detail=(
                f"{found} of {wanted} among {len(pool)} chunks; {drawn.with_answer} hold the answer, "
                f"{drawn.near_copies} are near copies of the oracle"
            ),
        )
        return None
    if found < wanted:
        counts.fewer += 1
        ledger.changed(
            record,
            stage=STAGE,
            kind="fewer distractors",
            field="context",
            before=str(wanted),
            after=str(found),
        )
    cot = row.cot
    if cot is not None and not has_oracle and (refused or options.cot_without_oracle == "drop"):
        cot = None
        counts.chains_dropped += 1

    context = drawn.texts + [ready.oracle] * has_oracle
    generator("order", ready.key).shuffle(context)
    counts.rows += 1
    counts.with_oracle += has_oracle
    counts.hard += drawn.hard
    counts.random += found - drawn.hard
    counts.hard_missed += drawn.hard_wanted - drawn.hard
    values = {
        "task": "raft",
        "id": row.id,
        "question": row.question,
        "context": context,
        "answer": options.refusal if refused else row.answers[0],
        "cot": cot,
        "instruction": row.instruction,
        "oracle_context": ready.oracle,
    }
    kept = {name: value for name, value in values.items() if value is not None}
    return Record(kept, record.source, record.number)
