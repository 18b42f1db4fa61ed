"""`QuestionRow`: what `build_raft` needs of a row: the question, the answers and the oracle.

Rows that are read:

- rows of the task qa: `question`, `context` (the oracle), `answers`;
- rows of the task raft, and every shape that `RaftRow.from_raw` reads: the oracle is `oracle_context`, or
  the one document of the context; the context's other documents become chunks to draw from;
- `question`, `answer` and the id of a document in a column of its own.

`choose_chunk` finds the oracle where the document was long: the chunk that holds the answer. Where several
do, it is the one that has most of the question's character pairs, the first of equals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitsft.data.check.raft import RaftRow
from bitsft.data.common.answers import Answers
from bitsft.data.fields import RowError, check_text, is_missing
from bitsft.data.raft_builder.bm25 import character_pairs
from bitsft.data.raft_builder.quotes import quotes_not_in, quotes_of


@dataclass(frozen=True)
class QuestionRow:
    """A question whose oracle is known.

    Attributes:
        question: The question.
        answers: The answers that count as right; the first one is learned.
        oracle: The text that the row gives as its oracle, whole.
        others: Further documents that came with the row.
        cot: The chain of thought.
        instruction: The row's own instruction.
        id: The row's id.
    """

    question: str
    answers: tuple[str, ...]
    oracle: str
    others: tuple[str, ...] = ()
    cot: str | None = None
    instruction: str | None = None
    id: Any = None

    @classmethod
    def read(
        cls, row: Mapping[str, Any], documents: Mapping[str, str], document_column: str
    ) -> "QuestionRow":
        """Read a row, or say what is wrong with it.

        Args:
            row: The row.
            documents: Texts of documents by their ids.
            document_column: The column that names the row's document.

        Raises:
            RowError: When a text is missing or the oracle is not known.
        """
        answers = _answers(row)
        named = row.get(document_column)
        context = row.get("context")
        if is_missing(row.get("oracle_context")) and not is_missing(named):
            if str(named) not in documents:
                raise RowError(
                    document_column,
                    "is the id of no document",
                    "Give that document, or name the documents' column with id_column",
                    named,
                )
            context = documents[str(named)]
        elif is_missing(context):
            context = row.get("oracle_context")
        given = {**row, "context": context}
        if answers:
            given["answer"] = answers[0]
        raft = RaftRow.from_raw(given)
        if raft.oracle is None and len(raft.documents) > 1:
            raise RowError(
                "oracle_context",
                "is missing, and the context has several documents",
                "Say which of them holds the answer",
            )
        oracle = raft.oracle or raft.documents[0]
        return cls(
            question=raft.question,
            answers=answers or (raft.answer,),
            oracle=oracle,
            others=tuple(text for text in raft.documents if text != oracle),
            cot=raft.cot,
            instruction=raft.instruction,
            id=row.get("id"),
        )

    def choose_chunk(self, chunks: Sequence[str], answers: Answers) -> str:
        """Return the chunk of the oracle that is shown.

        Args:
            chunks: The oracle's chunks, in order.
            answers: The row's answers, prepared.

        Raises:
            RowError: When there are several chunks and none of them holds the answer and the quotes of
                the chain of thought.
        """
        if len(chunks) == 1:
            return chunks[0]
        quoting = self.cot is not None and bool(quotes_of(self.cot))
        quoted = [c for c in chunks if not quotes_not_in(self.cot or "", [c])] if quoting else []
        # The quotes alone are enough to know the chunk: an answer need not be verbatim.
        holding = [c for c in quoted or chunks if answers.within(c)] or quoted
        if not holding:
            raise RowError(
                "answer",
                "is in none of the chunks that its document was cut into",
                "Raise chunk_size, or give the paragraph that answers the question as the context",
                self.answers[0],
            )
        wanted = set(character_pairs(self.question))
        return max(holding, key=lambda chunk: len(wanted.intersection(character_pairs(chunk))))


def _answers(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the `answers` of a qa row, also in SQuAD's form; none where there is no such column."""
    answers = row.get("answers")
    if isinstance(answers, Mapping):
        answers = answers.get("text")
    if is_missing(answers):
        return ()
    if isinstance(answers, str):
        answers = [answers]
    if not isinstance(answers, list | tuple) or not answers:
        raise RowError("answers", "holds no text", "Give a list with at least one text", answers)
    texts = [check_text(text, f"answers[{number}]", None) for number, text in enumerate(answers)]
    return tuple(dict.fromkeys(texts))
