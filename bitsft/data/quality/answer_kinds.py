"""Answers that say nothing that a document could hold: verdicts (예, True) and refusals (알 수 없습니다)."""

import re
import unicodedata
from collections.abc import Sequence

from bitsft.data.common.answers import VERDICTS

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


def _bare(text: str) -> str:
    return unicodedata.normalize("NFC", "".join(text.split())).casefold()
