"""`groundedness`: is the answer in the documents, or at least its words?

    1.0                                          the answer stands there (the RAFT builder's rule for
                                                 "a text holds the answer", answers.py)
    content words of the answer found there
    ---------------------------------------      otherwise (`content_words.py`)
    content words of the answer

So 서울이에요 is grounded in "서울은 수도이다." (1.0) and "1394년에 서울로" in "1392년 서울" half (0.5). Of several
right answers the best counts.

Not judged, with the reason instead of a number: verdicts (예, 아니오, True), class labels, refusals (알 수
없습니다; both in `answer_kinds.py`), answers without any content word, rows without documents, translations.

The signature names what a value depends on; values with different signatures must not be compared.

Limits: words are compared, not statements. "서울은 수도가 아니다" is fully grounded in "서울은 수도이다". A low
value is a reason to look at a row; a high one does not prove that it is right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bitsft.data.common.answers import Answers
from bitsft.data.quality.answer_kinds import REFUSALS, is_refusal, is_verdict
from bitsft.data.quality.content_words import ContentWords

SIGNATURE = "groundedness|method:verbatim,else-share-of-content-words|words:light-stem|norm:nfc,casefold|v:1"

VERDICT, REFUSAL, NO_WORDS = "the answer is a verdict", "the answer is a refusal", "the answer has no content word"  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """A score of one row, or why there is none.

    Attributes:
        value: From 0 to 1; None when the row was not judged.
        reason: Why it was not judged; "" when it was.
        missing: Words that were not found.
    """

    value: float | None
    reason: str = ""
    missing: tuple[str, ...] = ()


def groundedness(
    answers: str | Sequence[str],
    documents: Iterable[str] | ContentWords,
    *,
    texts: Sequence[str] | None = None,
    refusals: Sequence[str] = REFUSALS,
) -> Judged:
    """Say how much of an answer is in the documents.

    Args:
        answers: The answer, or several right ones, of which the best counts.
        documents: The documents; or their content words, when they are looked up more than once, with
            `texts=` beside them.
        texts: The documents that `documents` are the words of.
        refusals: What makes an answer a refusal, lower case and without white space.

    Returns:
        The share from 0 to 1 with the words that are missing, or why the answer was not judged.
    """
    if not isinstance(documents, ContentWords):
        texts = list(documents)
        documents = ContentWords(*texts)
    best = Judged(None, NO_WORDS)
    for answer in [answers] if isinstance(answers, str) else answers:
        judged = _one(answer, documents, texts or (), refusals)
        if best.value is None or (judged.value is not None and judged.value > best.value):
            best = judged
    return best


def _one(
    answer: str, documents: ContentWords, texts: Sequence[str], refusals: Sequence[str]
) -> Judged:
    if is_verdict(answer):
        return Judged(None, VERDICT)
    if is_refusal(answer, refusals):
        return Judged(None, REFUSAL)
    words = ContentWords(answer)
    if not len(words):
        return Judged(None, NO_WORDS)
    wanted = Answers([answer])
    if any(wanted.within(text) for text in texts):
        return Judged(1.0)
    share, missing = words.found_in(documents)
    return Judged(share, "", tuple(missing))
