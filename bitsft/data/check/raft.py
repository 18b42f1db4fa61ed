"""RAFT rows: a question, the documents to answer it from, and the answer.

Shapes:

- plain rows: `question`, `context` (a text or a list of texts), `answer`, optional `cot`,
  `instruction` and `oracle_context`;
- gorilla's rows (ShishirPatil/gorilla at 6ea5797, raft/raft.py and raft_local.py): `question`,
  `context` = {`title`, `sentences`} with one level of lists too many or not, `oracle_context`,
  `cot_answer`, and an `instruction` that repeats the documents and the question.

Titles are not kept: gorilla's are always "placeholder_title", and its prompts do not show them. How
the documents and the chain of thought are told apart: `raft_shapes.py`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from typing_extensions import Self

from bitsft.data.check.raft_shapes import documents_of, own_instruction, reason_and_answer
from bitsft.data.check.schema import OptionalText, RowSchema, Text
from bitsft.data.fields import check_mapping, optional, required


class RaftRow(RowSchema):
    """A question, the documents to answer it from, and the answer.

    Attributes:
        question: The question.
        documents: The oracle (where the row has it) and the distractors, in the prompt's order.
        answer: The final answer, without a marker.
        cot: The reason that leads to the answer, without markers other than the quotes'.
        instruction: The row's own instruction; None when it has none, or only gorilla's copy of
            the documents and the question.
        oracle: The document that holds the answer, where the row tells. It may be absent from
            `documents`: that is what RAFT does with a share 1 - P of the rows.
    """

    task: ClassVar[str] = "raft"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("question",),
        ("context",),
        ("answer", "cot_answer"),
    )
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "question",
            "context",
            "answer",
            "cot",
            "cot_answer",
            "instruction",
            "oracle_context",
            "type",
        }
    )

    question: Text
    documents: tuple[Text, ...] = Field(min_length=1)
    answer: Text
    cot: OptionalText = None
    instruction: OptionalText = None
    oracle: OptionalText = None

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], row_number: int | None = None) -> Self:
        """Check a raw row and return it in one shape.

        Args:
            raw: A row in one of the shapes that this module's docstring lists.
            row_number: The row's index from 0, for the error message.

        Raises:
            RowError: (a ValueError) for a missing, empty or mistyped field, a context that cannot
                be told apart into documents, quote marks that do not pair up, no final answer, or
                two final answers that differ.
        """
        raw = check_mapping(raw, row_number)
        question = required(raw, "question", row_number)
        documents = documents_of(raw.get("context"), row_number)
        cot, answer = reason_and_answer(raw, row_number)
        values = {
            "question": question,
            "documents": documents,
            "answer": answer,
            "cot": cot,
            "instruction": own_instruction(raw, question, documents, row_number),
            "oracle": optional(raw, "oracle_context", row_number),
        }
        names = {"documents": "context", "oracle": "oracle_context"}
        return cls.validated(values, row_number, names)

    def columns(self) -> dict[str, Any]:
        """The row as a dict; `documents` is the column `context`, `oracle` is `oracle_context`."""
        columns: dict[str, Any] = {
            "question": self.question,
            "context": list(self.documents),
            "answer": self.answer,
        }
        for name, value in (
            ("cot", self.cot),
            ("instruction", self.instruction),
            ("oracle_context", self.oracle),
        ):
            if value is not None:
                columns[name] = value
        return columns
