"""`bitsft data raft | augment | mix | balance`: rows into a training set of another make."""

import argparse
from pathlib import Path

from bitsft.cli.data.arguments import names, numbers
from bitsft.cli.data.settings import add_rendering, add_tokenizer, rendering_from, tokenizer_from
from bitsft.cli.data.stream import add_reading, add_writing, checked, ledger_for, read, write
from bitsft.cli.parser import WrongUse


def add_raft(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data raft`."""
    add_reading(parser)
    raft = parser.add_argument_group(
        "RAFT", "the rows are of the tasks qa or raft: a question, its document, its answer"
    )
    raft.add_argument(
        "--documents",
        metavar="FILE",
        help="further documents to draw distractors from: rows with a column text",
    )
    raft.add_argument(
        "--distractors",
        type=int,
        default=3,
        metavar="K",
        help="documents beside the oracle (default: %(default)s)",
    )
    raft.add_argument(
        "--p",
        type=float,
        default=0.8,
        metavar="SHARE",
        help="of the rows have their oracle (default: %(default)s)",
    )
    raft.add_argument(
        "--hard",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the distractors are the likeliest by BM25, the others random (default: %(default)s; needs bitsft[data])",
    )
    raft.add_argument(
        "--missing-oracle",
        choices=("answer", "refuse"),
        default="answer",
        help="what a row without its oracle answers (default: %(default)s)",
    )
    raft.add_argument(
        "--fewer", action="store_true", help="keep rows for which too few distractors are left"
    )
    raft.add_argument(
        "--answer-in-distractors",
        action="store_true",
        help="allow distractors that hold the answer",
    )
    raft.add_argument(
        "--chunk-size",
        type=int,
        metavar="N",
        help="cut documents into chunks of at most N characters",
    )
    raft.add_argument(
        "--document-id",
        metavar="COLUMN",
        help="rows name their document by this column, which is the column id of --documents, and bring none themselves",
    )
    raft.add_argument(
        "--near-copy",
        type=float,
        default=0.7,
        metavar="SHARE",
        help="no distractor has this share of its character trigrams in common with the oracle; 1 for documents made "
        "from one template (default: %(default)s)",
    )
    raft.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    raft.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help="leave out distractors until the row fits N tokens; needs --tokenizer",
    )
    add_tokenizer(parser, required=False)
    add_rendering(parser)
    add_writing(parser)
    parser.set_defaults(run=_raft)


def _raft(parsed: argparse.Namespace) -> int:
    from bitsft.data.ledger import Ledger
    from bitsft.data.raft_builder import RaftCounts, build_raft, trim_records
    from bitsft.data.read import read_records

    tokenizer = tokenizer_from(parsed)
    if (tokenizer is None) != (parsed.max_tokens is None):
        raise WrongUse(
            "--max-tokens and --tokenizer need each other: tokens are counted with a tokenizer"
        )
    if parsed.document_id is not None and parsed.documents is None:
        raise WrongUse("--document-id needs --documents, the file that holds the documents")
    counts = RaftCounts()
    documents: list[dict[str, object]] = []
    if parsed.documents is not None:
        found = Ledger(strict=True)
        documents = [record.values for record in read_records(parsed.documents, ledger=found)]
    with ledger_for(parsed) as ledger:
        rows = checked(parsed, ledger)
        more = {}
        if (
            parsed.document_id is not None
        ):  # such rows have no document yet, and are checked by build_raft
            rows, more = read(parsed, ledger), {"document_column": parsed.document_id}
        records = build_raft(
            documents,
            rows,
            ledger=ledger,
            distractors=parsed.distractors,
            p=parsed.p,
            hard=parsed.hard,
            seed=parsed.seed,
            missing_oracle=parsed.missing_oracle,
            too_few="fewer" if parsed.fewer else "reject",
            allow_answer_in_distractors=parsed.answer_in_distractors,
            chunk_size=parsed.chunk_size,
            near_copy=parsed.near_copy,
            counts=counts,
            **more,
        )
        if tokenizer is not None:
            records = trim_records(
                records,
                tokenizer,
                parsed.max_tokens,
                ledger=ledger,
                render=rendering_from(parsed),
                seed=parsed.seed,
            )
        write(records, parsed, ledger)
    print(counts)
    return 0


def add_augment(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data augment`."""
    add_reading(parser)
    parser.add_argument(
        "--kinds",
        type=names,
        default=["order"],
        metavar="A,B",
        help="of order (of documents), distractors (others), instruction (a paraphrase) (default: order)",
    )
    parser.add_argument(
        "--factor",
        type=int,
        default=1,
        metavar="N",
        help="new rows of each row, whose kinds take turns (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    add_writing(parser)
    parser.set_defaults(run=_augment)


def _augment(parsed: argparse.Namespace) -> int:
    from bitsft.data.augment import AugmentCounts, augment_records
    from bitsft.data.ledger import Ledger
    from bitsft.data.raft_builder import ChunkPool

    pool = None
    if "distractors" in parsed.kinds:
        # The other rows' documents are the pool: a first reading, with a ledger of its own.
        pool = ChunkPool()
        documents = (
            document
            for record in checked(parsed, Ledger())
            if record.values["task"] == "raft"
            for document in record.values["context"]
        )
        pool.add_documents(documents)
    counts = AugmentCounts()
    with ledger_for(parsed) as ledger:
        records = augment_records(
            checked(parsed, ledger),
            ledger=ledger,
            kinds=parsed.kinds,
            factor=parsed.factor,
            seed=parsed.seed,
            pool=pool,
            counts=counts,
        )
        write(records, parsed, ledger)
    for kind in parsed.kinds:
        short = counts.short[kind]
        print(
            f"  {kind}: {counts.added[kind]:,} rows"
            + (f", {short:,} not possible" if short else "")
        )
    return 0


def add_balance(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data balance`."""
    add_reading(parser)
    parser.add_argument(
        "--by",
        default="label",
        metavar="COLUMN",
        help="the classes: label, task or a column (default: %(default)s)",
    )
    parser.add_argument(
        "--how",
        choices=("undersample", "oversample"),
        default="undersample",
        help="leave rows out, or repeat rows, which is for training rows only (default: %(default)s)",
    )
    parser.add_argument(
        "--ratio",
        type=float,
        default=1.0,
        metavar="R",
        help="largest class to smallest at the end (default: %(default)s)",
    )
    parser.add_argument(
        "--part",
        metavar="NAME",
        help="which part of the data the rows are; --how oversample needs train",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    add_writing(parser)
    parser.set_defaults(run=_balance)


def _balance(parsed: argparse.Namespace) -> int:
    from bitsft.data.quality import balance_records

    with ledger_for(parsed) as ledger:
        records = balance_records(
            checked(parsed, ledger),
            by=parsed.by,
            how=parsed.how,
            ratio=parsed.ratio,
            split=parsed.part,
            seed=parsed.seed,
            ledger=ledger,
        )
        write(records, parsed, ledger)
    return 0


def add_mix(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft data mix`."""
    add_reading(parser)
    parser.add_argument(
        "--weights",
        type=numbers,
        metavar="NAME=WEIGHT",
        help="of each source, by its file's name without its ending, e.g. raft=0.7,chat=0.3 (default: equal)",
    )
    parser.add_argument("--size", type=int, metavar="N", help="end after N rows")
    parser.add_argument(
        "--stop",
        choices=("first_exhausted", "all_exhausted", "all_exhausted_without_replacement"),
        default="first_exhausted",
        help="when the set ends (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, help="put each source in an order of its own first")
    add_writing(parser)
    parser.set_defaults(run=_mix)


def _mix(parsed: argparse.Namespace) -> int:
    from bitsft.data.mix import mix_records

    by_name: dict[str, str] = {}
    for source in parsed.source:
        name = Path(source).stem
        if name in by_name:
            raise ValueError(f"{source} and {by_name[name]} are both named {name!r}; rename one")
        by_name[name] = source
    with ledger_for(parsed) as ledger:
        sources = {name: checked(parsed, ledger, source) for name, source in by_name.items()}
        records = mix_records(
            sources,
            parsed.weights,
            size=parsed.size,
            stop=parsed.stop,
            seed=parsed.seed,
            ledger=ledger,
        )
        write(records, parsed, ledger)
    return 0
