"""`augment_records`: more rows from the same ones, by changes that leave the answer right.

| kind | what changes | of which tasks |
|---|---|---|
| `order` | the order of the documents | raft |
| `distractors` | every distractor is another one, under the rules of `raft_builder/distractors.py` | raft |
| `instruction` | the instruction is another one from a list | raft, koalpaca |

Each new row says what was done in its column `augmented`, and differs from its original and from the other
new ones. No text is rewritten, so there is nothing to check by hand.

*A new row stays in the group of its original*, so that a grouped split cannot put them on two sides: RAFT
rows keep question and oracle. A KoAlpaca row's instruction is its question, so the new row carries the
original's question in the column `group`. It is safest to augment the training part only, after the split.

A row whose oracle is left out and that refuses to answer is given another order instead of other distractors:
its answer is not known any more, so none of them could be checked for it, and the share of such rows stays.

Limits: other distractors are drawn at random, and checked for the row's `answer` only, not for further answers
or the oracles of other rows with its question, which it does not know. Where a row has no further variant (one document, an exhausted list), fewer rows are added; `AugmentCounts`
tells how many. Rows of other tasks pass unchanged.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitsft.data.common.answers import Answers
from bitsft.data.common.hashing import stable_hash
from bitsft.data.common.normal_form import normal_form
from bitsft.data.common.seeded import generator
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder.build import REFUSALS
from bitsft.data.raft_builder.distractors import draw_distractors
from bitsft.data.raft_builder.pool import ChunkPool
from bitsft.data.records import Record, as_records
from bitsft.data.tasks import AUGMENTED, GROUP, task_of

logger = logging.getLogger(__name__)

KINDS = ("order", "distractors", "instruction")

# In the words of the project; all ask for the same as `format_raft`'s default.
RAFT_INSTRUCTIONS = (
    "다음 문서를 읽고 질문에 답하세요. 질문과 상관없는 문서는 참고하지 마세요.",
    "주어진 문서들 가운데 질문에 필요한 내용을 찾아 답하세요.",
    "아래에 문서 여러 개가 있습니다. 그중 관련 있는 문서만 근거로 질문에 답해 주세요.",
    "문서의 내용을 바탕으로 질문에 답하세요. 도움이 되지 않는 문서도 섞여 있습니다.",
    "제시된 문서에서 근거를 찾아 질문에 답해 주세요. 관련 없는 문서는 무시해도 됩니다.",
    "질문의 답을 아래 문서에서 찾아 주세요. 모든 문서가 질문과 관련 있는 것은 아닙니다.",
    "다음 자료를 참고해 질문에 대답하세요. 필요 없는 자료는 건너뛰세요.",
    "아래 문서를 살펴보고, 질문과 관련된 문서를 이용해 답을 쓰세요.",
)
KOALPACA_PREFIXES = (
    "다음 물음에 답해 주세요.",
    "아래 요청에 알맞은 답변을 작성하세요.",
    "다음 요청을 읽고 답해 주세요.",
    "아래 내용에 대해 답변해 주세요.",
    "다음에 대한 답을 써 주세요.",
    "아래 질문이나 지시에 맞게 응답하세요.",
    "다음 지시를 읽고 알맞게 답하세요.",
    "아래 글에 답해 주시기 바랍니다.",
)


@dataclass
class AugmentCounts:
    """What `augment_records` did.

    Attributes:
        added: New rows by kind.
        short: How many new rows were asked for and could not be made, by kind.
    """

    added: Counter[str] = field(default_factory=Counter)
    short: Counter[str] = field(default_factory=Counter)


def augment_records(
    rows: Iterable[Record | Mapping[str, Any]],
    *,
    ledger: Ledger,
    kinds: Sequence[str] = ("order",),
    factor: int = 1,
    seed: int = 0,
    pool: ChunkPool | None = None,
    near_copy: float = 0.7,
    raft_instructions: Sequence[str] = RAFT_INSTRUCTIONS,
    koalpaca_prefixes: Sequence[str] = KOALPACA_PREFIXES,
    refusals: Collection[str] = tuple(REFUSALS.values()),
    counts: AugmentCounts | None = None,
) -> Iterator[Record]:
    """Yield each row, followed by the new rows that are made from it.

    Args:
        rows: Checked rows.
        ledger: Where the new rows are counted, as added by `"augment"`.
        kinds: What to change: the first new row of each takes the first kind, and so on, around.
        factor: How many new rows to make from each.
        seed: Decides, with the row's own texts, what it is changed to.
        pool: The chunks that other distractors are drawn from; for `"distractors"`.
        near_copy: What counts as a near copy of the oracle; see `raft_builder/distractors.py`.
        raft_instructions: The instructions for RAFT rows.
        koalpaca_prefixes: The lines to put before the instruction of KoAlpaca rows.
        refusals: The answers by which a row that refuses to answer is known.
        counts: Filled in with what was done.

    Raises:
        ValueError: For an unknown kind, a `factor` below 1, `"distractors"` without a pool,
            `"instruction"` without instructions, or a row that names no task.
    """
    variants = _Variants(
        pool, near_copy, tuple(raft_instructions), tuple(koalpaca_prefixes), refusals
    )
    _check(kinds, factor, variants)
    counts = AugmentCounts() if counts is None else counts
    return _augment(rows, ledger, tuple(kinds), factor, seed, variants, counts)


@dataclass(frozen=True)
class _Variants:
    """Makes one variant of a row; None where there is none."""

    pool: ChunkPool | None
    near_copy: float
    raft_instructions: tuple[str, ...]
    koalpaca_prefixes: tuple[str, ...]
    refusals: Collection[str]

    def make(self, row: dict[str, Any], kind: str, key: int) -> dict[str, Any] | None:
        """Return a variant, which may equal an earlier one.

        Args:
            row: The original.
            kind: What to change.
            key: 64 bits of hash, which decide how.
        """
        task = task_of(row).name
        if kind == "instruction" and task == "koalpaca":
            prefix = generator(key).choice(self.koalpaca_prefixes)
            group = task_of(row).group_text(row)
            new = {**row, "instruction": f"{prefix}\n\n{row['instruction']}", GROUP: group}
        elif task != "raft":
            return None
        elif kind == "instruction":
            new = {**row, "instruction": generator(key).choice(self.raft_instructions)}
        elif kind == "distractors" and not self._refuses(row):
            context = self._other_distractors(row, key)
            if context is None:
                return None
            new = {**row, "context": context}
        else:
            kind = "order"
            context = list(row["context"])
            generator(key).shuffle(context)
            new = {**row, "context": context}
        return {**new, AUGMENTED: kind}

    def _refuses(self, row: dict[str, Any]) -> bool:
        answer = normal_form(row["answer"])
        return any(answer == normal_form(refusal) for refusal in self.refusals)

    def _other_distractors(self, row: dict[str, Any], key: int) -> list[str] | None:
        """Return other documents beside the oracle, at a place of its own; None for too few."""
        oracle = row.get("oracle_context")
        if self.pool is None or not oracle:
            return None
        whole = normal_form(oracle)
        kept = [text for text in row["context"] if normal_form(text) == whole]
        count = len(row["context"]) - len(kept)
        drawn = draw_distractors(
            self.pool,
            count,
            question=row["question"],
            beside=[oracle],
            row_key=key,
            answers=Answers([row["answer"]]),
            avoid={normal_form(text) for text in row["context"]},
            near_copy=self.near_copy,
        )
        if len(drawn.texts) < count:
            return None
        context = drawn.texts + kept
        generator("order", key).shuffle(context)
        return context


def _augment(
    rows: Iterable[Record | Mapping[str, Any]],
    ledger: Ledger,
    kinds: tuple[str, ...],
    factor: int,
    seed: int,
    variants: _Variants,
    counts: AugmentCounts,
) -> Iterator[Record]:
    for record in as_records(rows, ledger):
        row = record.values
        task = task_of(row)
        yield record
        own = (task.question_text(row), task.answer_text(row), row.get("oracle_context") or "")
        seen = {_shown(row)}
        for number in range(factor):
            kind = kinds[number % len(kinds)]
            new = None
            # A variant can repeat an earlier one; a few more draws find what else there is.
            for attempt in range(20):
                key = stable_hash(seed, number, attempt, *map(normal_form, own))
                new = variants.make(row, kind, key)
                if new is None or _shown(new) not in seen:
                    break
                new = None
            if new is None:
                counts.short[kind] += 1
                continue
            seen.add(_shown(new))
            if row.get("id") is not None:
                new["id"] = f"{row['id']}-{new['augmented']}-{number + 1}"
            counts.added[new[AUGMENTED]] += 1
            ledger.count_added("augment")
            yield Record(new, record.source, record.number)
    logger.info("augment: %s added, %s not possible", dict(counts.added), dict(counts.short))


def _shown(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a row a variant can differ in."""
    return row.get("instruction"), tuple(row.get("context") or ())


def _check(kinds: Sequence[str], factor: int, variants: _Variants) -> None:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if isinstance(kinds, str) or not kinds or unknown:
        raise ValueError(f"kinds={kinds!r} must be a list of {', '.join(map(repr, KINDS))}")
    if factor < 1:
        raise ValueError(f"factor={factor} must be at least 1")
    if "distractors" in kinds and variants.pool is None:
        raise ValueError("kinds has 'distractors', which needs the chunks to draw from: pool=")
    if "instruction" in kinds and not (variants.raft_instructions and variants.koalpaca_prefixes):
        raise ValueError("kinds has 'instruction', but a list of instructions is empty")
