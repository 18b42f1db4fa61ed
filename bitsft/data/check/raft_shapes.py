"""The parts of a raw RAFT row in their many shapes: the documents, the chain of thought, the instruction.

Three functions, one for each part. They raise `fields.RowError` for what does not say clearly which
text is a document, or which the final answer.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from bitsft.data.fields import RowError, check_text, is_missing, optional, required
from bitsft.data.raft_notation import quotes_pair_up, split_chain

_TAGGED = re.compile(r"\s*(?:<DOCUMENT>.*?</DOCUMENT>\s*)+", re.DOTALL)
_TAGGED_DOCUMENT = re.compile(r"<DOCUMENT>(.*?)</DOCUMENT>", re.DOTALL)
_CONTEXT_FORMS = "Give a text, a list of texts, or gorilla's {'title': ..., 'sentences': ...}"


def documents_of(context: Any, row_number: int | None) -> tuple[str, ...]:
    """Read `context` in all its forms; at least one document, none of them empty."""
    if isinstance(context, str) and _TAGGED.fullmatch(context):
        found = _TAGGED_DOCUMENT.findall(context)  # gorilla's "eval" export
    elif isinstance(context, str):
        found = [context]
    elif isinstance(context, Mapping):
        found = _sentences(context, row_number)
    elif isinstance(context, list | tuple):
        found = _without_outer_list(context, "context", row_number)
    elif is_missing(context):
        found = []
    else:
        reason = f"is of type {type(context).__name__}"
        raise RowError("context", reason, _CONTEXT_FORMS, context, row_number)
    if not found or is_missing(context):
        reason = "is missing" if context is None else "is empty"
        remedy = "Give the documents; rows without any are for format_koalpaca"
        raise RowError("context", reason, remedy, context, row_number)
    names = ["context"] if found == [context] else [f"context[{i}]" for i in range(len(found))]
    return tuple(
        check_text(text, name, row_number) for text, name in zip(found, names, strict=True)
    )


def _sentences(context: Mapping[str, Any], row_number: int | None) -> list[Any]:
    """Read {'title', 'sentences'}: flat, gorilla's doubly nested, or HotpotQA's.

    HotpotQA, where the shape comes from, keeps a list of sentences for each of its titles. It has
    several such lists and as many titles; gorilla has one list around all documents.
    """
    sentences, titles = context.get("sentences"), context.get("title")
    if not isinstance(sentences, list | tuple):
        reason = "is missing" if sentences is None else "is not a list"
        raise RowError("context.sentences", reason, _CONTEXT_FORMS, sentences, row_number)
    one_list_per_title = (
        len(sentences) > 1
        and isinstance(titles, list | tuple)
        and len(titles) == len(sentences)
        and all(isinstance(title, str) for title in titles)
        and all(isinstance(part, list | tuple) for part in sentences)
    )
    if not one_list_per_title:
        return _without_outer_list(sentences, "context.sentences", row_number)
    for i, part in enumerate(sentences):
        if not all(isinstance(sentence, str) for sentence in part):
            reason = "holds something that is not text"
            raise RowError(f"context.sentences[{i}]", reason, _CONTEXT_FORMS, part, row_number)
    return ["".join(part) for part in sentences]  # HotpotQA's sentences bring their own spaces


def _without_outer_list(texts: Sequence[Any], field: str, row_number: int | None) -> list[Any]:
    """Return [a, b] for both [a, b] and [[a, b]]; several inner lists say nothing clear."""
    if not any(isinstance(part, list | tuple) for part in texts):
        return list(texts)
    if len(texts) > 1:
        raise RowError(
            field,
            "holds lists, which may each be a document or a set of documents",
            "Flatten it into one list with a text for each document",
            texts,
            row_number,
        )
    return list(texts[0])


def reason_and_answer(raw: Mapping[str, Any], row_number: int | None) -> tuple[str | None, str]:
    """Return the reason and the final answer from `answer`, `cot` and gorilla's `cot_answer`."""
    cot, cot_answer = optional(raw, "cot", row_number), optional(raw, "cot_answer", row_number)
    if cot is not None and cot_answer is not None:
        raise _two_chains("cot", "cot_answer", cot, row_number)
    field, chain = ("cot", cot) if cot_answer is None else ("cot_answer", cot_answer)
    given = optional(raw, "answer", row_number)

    reason, answer = (None, None) if chain is None else split_chain(chain)
    if given is None:
        if answer is None and cot_answer is None:
            required(raw, "answer", row_number)
        if answer is None and raw.get("type") == "api call":
            # gorilla's API rows have no marker: the whole <<<domain>>> text is the answer
            reason, answer = None, chain
    else:
        given_reason, given_answer = split_chain(given)
        if given_answer is None and given_reason == given:  # no markers: the usual case
            given_reason, given_answer = None, given
        if reason is not None and given_reason is not None:
            raise _two_chains("answer", field, given, row_number)
        if answer and given_answer and _same(answer) != _same(given_answer):
            wrong = "ends in a final answer that is not the one in 'answer'"
            remedy = "Make the two equal, or leave one out"
            found = {field: answer, "answer": given_answer}
            raise RowError(field, wrong, remedy, found, row_number)
        if chain is None:
            field, chain = "answer", given
        reason, answer = reason or given_reason, given_answer

    if not answer or is_missing(answer):
        remedy = "Fill in 'answer', or end the text with '##Answer: ...' or '<ANSWER>: ...'"
        raise RowError(field, "has no final answer", remedy, chain, row_number)
    if split_chain(answer) != (answer, None) or (reason and split_chain(reason) != (reason, None)):
        # which of the markers counts? Generated text that ran on after its answer looks like this
        wrong = "holds more than one '##Reason:' or '##Answer:'"
        raise RowError(field, wrong, "Cut it down to one of each", chain, row_number)
    if not quotes_pair_up(reason or ""):
        wrong = "has quote marks that do not pair up"
        remedy = "Close every ##begin_quote## with an ##end_quote## before the next one opens"
        raise RowError(field, wrong, remedy, chain, row_number)
    return reason, answer


def _two_chains(field: str, other: str, value: str, row_number: int | None) -> RowError:
    reason = f"holds a chain of thought beside {other!r}, and a row has room for one"
    return RowError(field, reason, "Leave one of the two out", value, row_number)


def _same(answer: str) -> str:
    """Compare answers by their words: spacing, a final full stop and NFC/NFD do not matter."""
    return " ".join(unicodedata.normalize("NFC", answer).split()).rstrip(".")


def own_instruction(
    raw: Mapping[str, Any], question: str, documents: tuple[str, ...], row_number: int | None
) -> str | None:
    """Return the row's instruction, unless it is a copy of the documents and the question."""
    instruction = optional(raw, "instruction", row_number)
    if instruction is None or instruction.startswith("<DOCUMENT>"):
        return None
    if question in instruction and all(document in instruction for document in documents):
        return None
    return instruction
