"""`format_raft`: a RAFT row -> {"prompt", "completion"}.

Each document stands between gorilla's tags, and the question follows
(ShishirPatil/gorilla at 6ea5797, raft/raft.py, `generate_question_cot_answer`)::

    <DOCUMENT>{document}</DOCUMENT>
    <DOCUMENT>{document}</DOCUMENT>
    {question}

As messages, with `instruction=""`, the user message is this to the letter, but for white space at
the ends of a document. A text prompt has no chat template to mark the turns, so it gets headings in
their place: KoAlpaca v1.1's `### 질문:` and `### 답변:` (see `koalpaca.py`), or their translation.
gorilla's rows have no instruction; the short default one is this project's. The completion is the
paper's (see `raft_notation.py`).

The prompt is built from the question, the documents and the instruction only: nothing of the
answer, the chain of thought or the oracle reaches it, except what a document itself says.
"""

from collections.abc import Mapping
from typing import Any

from bitsft.data.check.raft import RaftRow
from bitsft.data.format.prompt_completion import (
    PromptCompletion,
    as_conversation,
    as_text,
    check_system,
)
from bitsft.data.raft_notation import join_chain

DOCUMENT = "<DOCUMENT>{document}</DOCUMENT>\n"

INSTRUCTION = {
    "ko": "아래 문서를 참고하여 질문에 답하세요. 질문과 관련 없는 문서는 무시하세요.",
    "en": "Answer the question from the documents below. Ignore the documents that do not help.",
}
TURNS = {
    "ko": "\n### 질문: {question}\n\n### 답변:",
    "en": "\n### Question: {question}\n\n### Answer:",
}


def format_raft(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    instruction: str | None = None,
    with_cot: bool = True,
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one RAFT row for TRL.

    Use it with `format_rows` (counts and logs what it refuses) or with `datasets`:
    `dataset.map(format_raft, with_indices=True, remove_columns=dataset.column_names)`.

    Args:
        row: A raw row, in one of the shapes that `RaftRow.from_raw` reads.
        row_number: The row's index from 0, for error messages; `with_indices=True` passes it.
        language: Of the headings and the default instruction: `"ko"` or `"en"`.
        instruction: Put before the documents. None takes the row's own, or else the default of
            the language; `""` leaves it out.
        with_cot: Write the chain of thought where the row has one. False trains on the final
            answer alone (Table 2 of the paper compares the two).
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message, with `as_messages=True` only. None for none.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages. The completion is
        `##Reason: {cot} ##Answer: {answer}`, or `##Answer: {answer}` without a chain of thought;
        a text completion has one space before it.

    Raises:
        RowError: (a ValueError) when the row cannot be used; see `RaftRow.from_raw`.
        ValueError: For an unknown language, or a system message for a text row.

    Source: arXiv 2403.10131, Figure 3; ShishirPatil/gorilla at 6ea5797, raft/raft.py.
    """
    if language not in TURNS:
        raise ValueError(f"language={language!r} is not known; use one of {sorted(TURNS)}")
    check_system(system, as_messages)
    raft = RaftRow.from_raw(row, row_number)

    if instruction is None:
        instruction = raft.instruction or INSTRUCTION[language]
    head = f"{instruction}\n\n" if instruction else ""
    documents = "".join(DOCUMENT.format(document=document) for document in raft.documents)
    completion = join_chain(raft.cot if with_cot else None, raft.answer)

    if as_messages:
        return as_conversation(head + documents + raft.question, completion, system)
    return as_text(head + documents + TURNS[language].format(question=raft.question), completion)
