"""`groundedness`: is the answer in the documents, or at least its words?

    1.0                                          the answer stands there (the RAFT builder's rule for
                                                 "a text holds the answer", raft_builder/answers.py)
    content words of the answer found there
    ---------------------------------------      otherwise (`content_words.py`)
    content words of the answer

So 서울이에요 is grounded in "서울은 수도이다." (1.0) and "1394년에 서울로" in "1392년 서울" half (0.5). Of several
right answers the best counts.

Not judged, with the reason instead of a number: verdicts (예, 아니오, True), class labels, refusals (알 수
없습니다), answers without any content word, rows without documents, and translations.

The signature names what a value depends on; values with different signatures must not be compared.

Limits: words are compared, not statements. "서울은 수도가 아니다" is fully grounded in "서울은 수도이다". A low
value is a reason to look at a row; a high one does not prove that it is right.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bitsft.data.quality.content_words import ContentWords
from bitsft.data.raft_builder.answers import VERDICTS, Answers

SIGNATURE = "groundedness|method:verbatim,else-share-of-content-words|words:light-stem|norm:nfc,casefold|v:1"

# What an answer says that has nothing to go by. Searched without white space, in short answers only.
REFUSALS = (
    "알수없", "알수가없", "모르겠", "모릅니다", "찾을수없", "답할수없", "답변할수없", "대답할수없", "정보가없", "정보가부족",
    "나와있지않", "언급되지않", "언급되어있지않", "언급이없", "주어지지않", "확인할수없", "답이없", "문서에없",
    "idon'tknow", "donotknow", "cannotanswer", "can'tanswer", "notmentioned", "noanswer", "unanswerable",
    "notenoughinformation", "cannotbedetermined", "cannotbefound",
)  # fmt: skip
_REFUSAL_LENGTH = 80  # characters; a longer answer that holds such words says something else too
_WORDS = re.compile(r"[^\W_]+")
# A verdict in a sentence: "네, 맞습니다.", "아니요, 그렇지 않습니다."
_VERDICT_WORD = re.compile(
    "(?:맞|옳)(?:아요?|습니다|음|지)|아닙니다|아니(?:에요|예요|야|죠)|그렇(?:습니다|지)|그래요?|틀(?:려요?|렸습니다|립니다)|"
    "않(?:아요?|습니다|다)|사실(?:이에요|입니다|이다)?|거짓(?:이에요|입니다|이다)"
)

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


def is_verdict(answer: str) -> bool:
    """Whether an answer only judges a statement: 예, True, O, "아니요, 그렇지 않습니다."."""
    words = _WORDS.findall(unicodedata.normalize("NFC", answer).casefold())
    if not words:
        return _bare(answer) in VERDICTS  # ○, ×
    return all(word in VERDICTS or _VERDICT_WORD.fullmatch(word) for word in words)


def is_refusal(answer: str, refusals: Sequence[str] = REFUSALS) -> bool:
    """Whether an answer says that there is none, in at most 80 characters."""
    if len(answer) > _REFUSAL_LENGTH:
        return False
    bare = _bare(answer).replace("’", "'")
    return any(refusal in bare for refusal in refusals)


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


def _bare(text: str) -> str:
    return unicodedata.normalize("NFC", "".join(text.split())).casefold()
