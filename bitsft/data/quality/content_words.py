"""`ContentWords`: the words of a text that say something, and which of them another text holds.

Words are runs of one script: "2023년에" is 2023 and 년에, "BTS는" is BTS and 는. Text is NFC and casefolded.
Left out are words that only join others (`JOINING`: 그리고, 위해, the) or ask (`ASKING`: 무엇, what), the unit
right after a number (`UNITS`: 2023년) and lone jamo (ㅋㅋ). Negations (안, 않다, 없다, not) stay.

| word | is in a text when |
|---|---|
| number | it is there as a number: 1,000 and 1000 are one, 3 is not in 13 or 3.5 |
| Hangul | without its particle it occurs there, spaces ignored; of one syllable: it is a word there |
| Hangul, a verb | a word there has the same stem (`stems.py`): 만들었다 and 만든 |
| Latin | it is a word there, but for -s, -es, -ed, -ing |
| Han, kana, others | it occurs there |

Limits: words are compared, not meanings: 삼백 is not 300, 부친 is not 아버지, and a negation counts no more
than any other word.
"""

import re
import unicodedata
from collections.abc import Iterator

from bitsft.data.quality.stems import Stem, stem

_HANGUL = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97c\uac00-\ud7ff"
_LATIN = "a-z\u00df-\u024f\u1e00-\u1eff"
# Digits, with separators between them; Hangul; Latin letters; letters of any other script.
_WORD = re.compile(
    rf"(?P<number>\d+(?:[.,]\d+)*)|(?P<hangul>[{_HANGUL}]+)|(?P<latin>[{_LATIN}]+)"
    rf"|(?P<other>[^\W\d_{_HANGUL}{_LATIN}]+)"
)
_LONE_JAMO = re.compile("[\u3130-\u318f]+")  # ㅋㅋ, ㅠㅠ
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
# Jamo of a verb's stem that say enough by themselves: 먹 (먹기, 먹어) does, 가 (가기, 가지) does not.
_LONG_STEM = 3
_ENGLISH_ENDING = re.compile(r"(.{3,}?)(?:es|s|ed|ing)")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


JOINING = _words(
    "그 이 저 그것 이것 저것 것 거 수 등 및 또 또는 그리고 그러나 하지만 그런데 그래서 따라서 즉 때 때문 위해 위한 위하여 "
    "대해 대한 대하여 통해 통한 통하여 따라 따른 의해 의한 관한 관해 경우 중 더 가장 매우 아주 잘 좀 다 모두 각 여러 다른 "
    "있다 있는 있습니다 있어요 있나요 있었다 있고 있으며 있을 하다 하는 한다 합니다 해요 하나요 했다 했습니다 하고 하며 하여 해 한 할 "
    "되다 되는 된다 됩니다 되나요 되었다 됐다 된 될 되어 돼 이다 입니다 이에요 예요 인 이며 이고 은 는 가 을 를 의 에 도 와 과 로 "
    "으로 에서 들 만 것은 것이 것을 것도 것으로 것에 것이다 것입니다 것인가 것인가요 거야 수가 수는 등을 등이 등의 등은 등에 등에서 때는 "
    "때에 때의 때까지 중에 중에서 중의 이는 이를 이와 그는 그의 그가 그를 그에 저는 저의 제가 나는 내가 우리는 할 하지 "
    "a an the of in on at to for from by with as and or but is are was were be been it its this that these those "
    "do does did has have had i you he she we they"
)
ASKING = _words(
    "무엇 무엇인가 무엇인가요 무엇인지 무엇입니까 뭐 뭐야 뭔가요 뭘 누구 누구인가 누구인가요 누가 누굴 언제 언제인가 언제인가요 어디 "
    "어디인가 어디인가요 어디서 어디에 어디야 왜 어떻게 어떤 어떤가요 무슨 어느 몇 얼마 얼마나 얼마인가 얼마인가요 인가요 인가 "
    "알려줘 알려주세요 알려줘요 말해줘 설명해줘 설명해주세요 설명하시오 쓰시오 답하시오 질문 "
    "what which who whom whose when where why how please tell explain"
)
# Counted with the number that they follow without a space.
UNITS = _words("년 월 일 시 분 초 명 개 번 회 차")


class ContentWords:
    """The content words of one or more texts.

    Args:
        texts: Texts in any form of Unicode.
    """

    def __init__(self, *texts: str) -> None:
        self.numbers: set[str] = set()
        self.hangul: dict[str, Stem] = {}
        self.latin: set[str] = set()
        self.others: set[str] = set()
        self._counted: set[str] = set()  # words that a number's unit is all of
        joined: list[str] = []
        for text in texts:
            normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
            number_end = -1
            for match in _WORD.finditer(normal):
                word = match[0]
                if match.lastgroup == "number":
                    self.numbers.add(_THOUSANDS.sub("", word))
                    number_end = match.end()
                    joined.append("\n")
                elif match.lastgroup == "latin":
                    self.latin.add(word)
                    joined.append("\n")
                elif match.lastgroup == "hangul":
                    self.hangul[word] = form = stem(word)
                    if match.start() == number_end and UNITS.intersection((word, *form.nouns)):
                        self._counted.add(word)
                    joined.append(word)
                else:
                    self.others.add(word)
                    joined.append(word)
            joined.append("\n")
        # Hangul is found through spaces, but not through other scripts or from one text to the next.
        self._joined = "".join(joined)
        self._stems: frozenset[str] | None = None
        self._verbs: dict[str, bool] = {}
        self._latin_stems: frozenset[str] | None = None

    def __len__(self) -> int:
        """How many different words `found_in` looks for."""
        return sum(1 for _ in self._looked_for())

    def found_in(self, text: "ContentWords") -> tuple[float | None, list[str]]:
        """Look for these words in another text.

        Returns:
            The share that it holds, None for no words at all; and the words that it does not hold.
        """
        words = 0
        lacking: list[str] = []
        for word, is_found in self._looked_for_in(text):
            words += 1
            if not is_found:
                lacking.append(word)
        return ((words - len(lacking)) / words if words else None), lacking

    def _looked_for(self) -> Iterator[str]:
        yield from sorted(self.numbers)
        for word, form in self.hangul.items():
            if word in self._counted or _LONE_JAMO.fullmatch(word):
                continue
            # 때문에 is 때문, but 수도 is not 수: a particle may be a part of the noun.
            names = (word, *(noun for noun in form.nouns if len(noun) > 1))
            if not any(name in JOINING or name in ASKING for name in names):
                yield word
        yield from sorted(self.latin - JOINING - ASKING)
        yield from sorted(self.others)

    def _looked_for_in(self, text: "ContentWords") -> Iterator[tuple[str, bool]]:
        for word in self._looked_for():
            if word in self.numbers:
                yield word, word in text.numbers
            elif word in self.hangul:
                yield word, text._holds_hangul(self.hangul[word])
            elif word in self.latin:
                yield word, text._holds_latin(word)
            else:
                yield word, word in text._joined

    def _holds_hangul(self, form: Stem) -> bool:
        if form.word in self.hangul or (len(form.word) > 1 and form.word in self._joined):
            return True
        if any(noun in self._joined for noun in form.nouns if len(noun) > 1):
            return True
        if self._stems is None:
            self._stems = frozenset(noun for other in self.hangul.values() for noun in other.nouns)
            for other in self.hangul.values():
                if other.verb is not None:
                    self._verbs[other.verb] = self._verbs.get(other.verb, False) or other.sure
        # One syllable is too little to be found within other words: 물 in 건물.
        if any(noun in self._stems for noun in form.nouns):
            return True
        if form.verb is None or form.verb not in self._verbs:
            return False
        return len(form.verb) >= _LONG_STEM or form.sure or self._verbs[form.verb]

    def _holds_latin(self, word: str) -> bool:
        if word in self.latin:
            return True
        if self._latin_stems is None:
            self._latin_stems = frozenset(map(_english_stem, self.latin))
        return _english_stem(word) in self._latin_stems


def _english_stem(word: str) -> str:
    match = _ENGLISH_ENDING.fullmatch(word)
    return match[1] if match else word
