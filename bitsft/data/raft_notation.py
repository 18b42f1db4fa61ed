"""How a RAFT answer is written down, and how its final answer is read back.

The format, from Figure 3 of the RAFT paper (arXiv 2403.10131)::

    ##Reason: {reason} ##Answer: {answer}

where the reason quotes the documents verbatim between `##begin_quote##` and `##end_quote##`.
The authors' own generator (ShishirPatil/gorilla at 6ea5797, raft/raft.py) asks for a free text
that ends in `<ANSWER>: {answer}` instead. Both are read here, with or without a space after the
colon and with the full-width colon of East Asian keyboards; only the paper's form is written.

Limits: the *last* marker of a text counts, so a model that runs on after its answer must be stopped
by the caller; a text without a marker has no final answer, it is not taken as one as a whole.
"""

import re

BEGIN_QUOTE = "##begin_quote##"
END_QUOTE = "##end_quote##"

# The lookbehind keeps the prompt's "### Answer:" heading from passing for the paper's "##Answer:".
_FINAL_ANSWER = re.compile(r"(?:(?<!#)##[ \t]*Answer|<ANSWER>)[ \t]*[:：]", re.IGNORECASE)
_REASON = re.compile(r"\s*(?<!#)##[ \t]*Reason[ \t]*[:：]", re.IGNORECASE)
_QUOTE_MARK = re.compile(f"{BEGIN_QUOTE}|{END_QUOTE}")


def raft_final_answer(text: str) -> str | None:
    """Return the final answer of a RAFT completion, from `##Answer:` or `<ANSWER>:`.

    Args:
        text: A reference or generated completion, in the paper's or gorilla's form.

    Returns:
        What follows the last marker, stripped; `""` when nothing does; None without a marker.
    """
    return split_chain(text)[1]


def split_chain(text: str) -> tuple[str | None, str | None]:
    """Split a RAFT completion into its reason and its final answer.

    Args:
        text: `"##Reason: r ##Answer: a"`, `"r\\n<ANSWER>: a"` or a reason alone.

    Returns:
        `(reason, answer)`, both stripped and without their markers. The reason is None when there
        is none, the answer is None when no marker announces one.
    """
    markers = list(_FINAL_ANSWER.finditer(text))
    reason, answer = text, None
    if markers:
        reason, answer = text[: markers[-1].start()], text[markers[-1].end() :].strip()
    return _REASON.sub("", reason, count=1).strip() or None, answer


def join_chain(reason: str | None, answer: str) -> str:
    """Write a completion in the paper's form; without a reason it is `##Answer: {answer}`."""
    return f"##Answer: {answer}" if reason is None else f"##Reason: {reason} ##Answer: {answer}"


def quotes_pair_up(text: str) -> bool:
    """Whether every `##begin_quote##` is closed by an `##end_quote##` before the next one opens."""
    marks = _QUOTE_MARK.findall(text)
    return marks == [BEGIN_QUOTE, END_QUOTE] * (len(marks) // 2)
