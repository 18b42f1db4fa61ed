"""`Answers`: is one of a row's answers in a text?

A distractor must not hold the answer. What "hold" means depends on how much the answer says:

| answer | a text holds it when |
|---|---|
| 2 characters and more | it occurs anywhere in the normal form: white space and case are ignored |
| starts or ends in a digit | the same, but the number must end there: "3" is in "3명", not in "13명" or "3.5" |
| Latin, up to 3 letters | the same, but between letters of other words it is not found: "AI" is not in "rain" |
| 1 character | it stands as a word, with or without a particle: "물" is in "물은", not in "물건" |
| a verdict: 예, 아니오, True, ... | never: it is a judgement on the text, not something that the text tells |

Full stops, quotes and brackets around an answer are not looked for. The rule errs on the side of "yes":
"서울" is found in "동서울" too, and a distractor too many is left out rather than one too few.

Limit: an answer said in other words is not found. Short answers make the rule sharp; of a row with
several answers (`answers` of the qa task) all are looked for.
"""

import re
import unicodedata
from collections.abc import Iterable

from bitsft.data.common.normal_form import INVISIBLE, normal_form

# Answers that judge a statement. To leave out every chunk with 예 in it ("예를 들어") would only mean that
# the distractors tell which of the two the answer is.
VERDICTS = frozenset(
    re.findall(
        r"\S+",
        "예 네 응 아니오 아니요 아뇨 아니다 맞다 틀리다 맞음 틀림 참 거짓 옳다 그르다 그렇다 "
        "yes no true false o x ○ × correct incorrect",
    )
)
# Case particles and endings that can follow a noun (조사; 서술격 조사 "이다" with its endings).
PARTICLES = re.findall(
    r"\S+",
    "은 는 이 가 을 를 과 와 의 에 도 로 으로 만 까지 부터 에서 에게 이나 나 랑 이랑 보다 처럼 "
    "이다 다 입니다 이며 며 이고 고 이라 라 이라고 라고 이었다 였다 이에요 예요 요 인 일 이란 란",
)

_GAP = rf"[\s{INVISIBLE}]*"
_LATIN = "a-z\u00df-\u024f"
_SHORT_LATIN = re.compile(f"[{_LATIN}]{{1,3}}")
_PARTICLE = "|".join(PARTICLES)
_AROUND = "\"'`“”‘’「」『』《》〈〉()[]{}.,!?;:。，！？…·~"


class Answers:
    """The answers of a row, prepared for being looked for in many texts.

    Args:
        answers: The answers that count as right, in any form of Unicode.
    """

    def __init__(self, answers: Iterable[str]) -> None:
        self._wanted: list[tuple[str, re.Pattern[str] | None]] = []
        for answer in dict.fromkeys(map(normal_form, answers)):
            wanted = answer.strip(_AROUND) or answer
            if wanted and wanted not in VERDICTS:
                self._wanted.append((wanted, _whole(wanted)))

    def __bool__(self) -> bool:
        """Whether there is anything to look for: False when all answers are verdicts."""
        return bool(self._wanted)

    def within(self, text: str, normal: str | None = None) -> bool:
        """Whether the text holds one of the answers.

        Args:
            text: The text as it is.
            normal: Its `normal_form`, where it is known already.
        """
        if normal is None:
            normal = normal_form(text)
        loose = None
        for wanted, pattern in self._wanted:
            if wanted not in normal:
                continue
            if pattern is None:
                return True
            if loose is None:
                loose = unicodedata.normalize("NFC", text).casefold()
            if pattern.search(loose):
                return True
        return False


def _whole(wanted: str) -> re.Pattern[str] | None:
    """Return the pattern of an answer that must not be a part of a longer word or number."""
    before, after = _edge(wanted, wanted[0], last=False), _edge(wanted, wanted[-1], last=True)
    if not before and not after:
        return None
    # Built over the text with its spaces, which tell "1 3" from "13".
    return re.compile(before + _GAP.join(map(re.escape, wanted)) + after)


def _edge(wanted: str, character: str, last: bool) -> str:
    if character.isdecimal():
        return r"(?![.,]?\d)" if last else r"(?<!\d)(?<!\d[.,])"
    if _SHORT_LATIN.fullmatch(wanted):
        return f"(?![{_LATIN}])" if last else f"(?<![{_LATIN}])"
    if len(wanted) == 1:
        return rf"(?=(?:{_PARTICLE})?(?!\w))" if last else r"(?<!\w)"
    return ""
