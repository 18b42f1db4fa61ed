"""`stem`: a Hangul word without its particle or ending, so that 서울은 and 서울에서 count as one word.

A light stemmer: it cuts a closed list of particles (조사) and verb endings (어미), and knows no words. What
it returns is compared, never shown. It works on NFD, where a final consonant is a character of its own,
so that 간다 is 가 + ᆫ다 and 만들다, 만든, 만드는 share 만드.

- *noun*: the word without a particle or the copula (이다). 이, 은, 을, 과, 으로 are cut after a consonant only,
  가, 는, 를, 와 after a vowel only, as grammar has it: 나이 stays 나이.
- *verb*: the word without its ending and tense. A final ㄹ, ㅂ, ㅅ, ㄷ, ㅎ of a stem changes from form to form
  (만들다 만든, 돕다 도운), and so does a vowel that the tense melts into (배우다 배웠다, 쓰다 썼다): these are cut
  from stems of two syllables and more.
- *sure*: 간, 갈 and 가고 may be forms of 가다. But so ends many a noun (산, 물, 창고), so short ones count as verbs
  only where one of the two words compared has an ending that is surely a verb's.

Sources: the particles and endings are those of the school grammar, as the 표준국어대사전 lists them
(https://stdict.korean.go.kr, parts of speech 조사 and 어미).

Limits: without a dictionary 고양이 loses its 이 (the whole word is looked for as well); irregular verbs of
르 (모르다, 몰랐다), honorifics (가시다) and most vowel changes of one-syllable stems (쓰다, 썼다) stay apart.
"""

import functools
import re
import unicodedata
from dataclasses import dataclass

# Final consonants (NFD) that stand before an ending: ㄴ, ㄹ, ㅁ, ㅂ, ㅆ.
_N, _L, _M, _B, _SS = "\u11ab", "\u11af", "\u11b7", "\u11b8", "\u11bb"
_AFTER_CONSONANT = "이 은 을 과 으로 이나 이랑 이라 이든 이란 이라도 이라고 이라는 이에요"
_AFTER_VOWEL = "가 는 를 와 로 나 랑 라 든 며 고 다 란 라도 라고 라는 였다 예요 였던"
_ANYWHERE = (
    "의 에 도 만 께 까지 부터 에서 에게 께서 한테 보다 처럼 같이 마다 조차 마저 밖에 대로 만큼 에게서 한테서 로서 "
    "로써 으로서 으로써 하고 입니다 입니까 인가요 인가 인데 일까 일까요 이다 이며 이고 이었다 이었던 이지만 이자 이면 이라면 이니 이므로 "
    "이었나요 이었는가 였나요 였는가 인지 임 임을 들 요"
)
# Particles that another one can follow: 에서+는, 들+에게+도.
_INNER = "에 에서 에게 께 까지 부터 으로 로 처럼 보다 한테 만 들 과 와 로서 으로서 에게서"
_OUTER = (
    "은 는 도 의 만 이 가 을 를 나 요 에게 에서 에 로 으로 까지 부터 과 와 처럼 보다 입니다 이다"
)
# Endings that only verbs and adjectives have; "N다" is ㄴ다.
_SURE = (
    "다 N다 는다 습니다 B니다 습니까 B니까 어요 아요 여요 지요 죠 네요 군요 거든요 N가요 은가요 N가 은가 는가 는가요 나요 N지 은지 는지 L지 을지 N지요 은지요 는지요 "
    "으면 으면서 으나 지만 는데 N데 은데 던데 어서 아서 여서 으니까 으므로 기를 기에 음을 도록 려고 으려고 으러 어라 아라 다가 거나 든지 "
    "L까 을까 L까요 을까요 L게요 을게요 N다고 는다고 다고 다는 N다는 라는 아야 어야 여야 어도 아도 여도 었던 았던 였던 SS던 SS고 "
    "SS으며 SS지만 SS는데 SS을 SS음 N다면 다면 L수록 을수록 세요 으세요 시오 으시오"
)
# Endings that nouns may end in as well, or that look like particles.
_UNSURE = "고 고서 며 면 면서 서 니 니까 므로 기 는 은 을 음 던 게 자 러 라 지 냐 어 아 여 N L M LM"
_TENSES = "었었 았었 었 았 였 SS었 SS 겠 으시"
# What makes a verb of a noun: 개발+하다, 개발+되다.
_VERBALIZERS = "하 되 시키 당하 받 스럽 롭"


def _nfd(forms: str) -> list[str]:
    """Return the forms in NFD, longest first; capitals stand for final consonants."""
    for name, jamo in (("SS", _SS), ("LM", "\u11b1"), ("N", _N), ("L", _L), ("M", _M), ("B", _B)):
        forms = forms.replace(name, jamo)
    parts = (unicodedata.normalize("NFD", form) for form in forms.split())
    return sorted(set(parts), key=lambda form: (-len(form), form))


def _one_of(forms: str) -> str:
    return "(?:" + "|".join(_nfd(forms)) + ")"


_CONSONANT, _VOWEL = "[\u11a8-\u11ff]", "[\u1161-\u1175]"
# A word that is nothing but a particle is kept; the lazy group finds the longest match of the rest.
_NOUN = re.compile(
    f"(.+?)(?:(?<={_CONSONANT}){_one_of(_AFTER_CONSONANT)}"
    f"|(?<={_VOWEL}){_one_of(_AFTER_VOWEL)}|(?<={_L}){_one_of('로')}"
    f"|{_one_of(_INNER)}{_one_of(_OUTER)}|{_one_of('들')}{_one_of(_INNER)}{_one_of(_OUTER)}"
    f"|{_one_of(_ANYWHERE)})",
    re.DOTALL,
)
_SURELY_VERB = re.compile(f"(.+?){_one_of(_SURE)}", re.DOTALL)
_PERHAPS_VERB = re.compile(f"(.+?){_one_of(_UNSURE)}", re.DOTALL)
_WITH_TENSE = re.compile(f"(.+?){_one_of(_TENSES)}", re.DOTALL)
_FROM_NOUN = re.compile(f"(.+?){_one_of(_VERBALIZERS)}", re.DOTALL)
_A, _O, _U, _EU, _I = "\u1161", "\u1169", "\u116e", "\u1173", "\u1175"
# 봐, 줘, 쳐, 해, 돼: the stem's vowel with that of the tense, and the stem's own.
_MELTED = {"\u116a": _O, "\u116f": _U, "\u1167": _I, "\u1162": _A, "\u116b": "\u116c"}
_MELTING = {*_MELTED, _O, _U, _EU, _I}
_DROPPED = "\u11af\u11ba\u11ae\u11c2"  # final ㄹ ㅅ ㄷ ㅎ: 만들다 만든, 깨닫다 깨달은, 빨갛다 빨간
_FINAL_B, _SILENT = _B, "\u110b"  # 아름답다 아름다운
# 마셔, 와요: the ending 어 or 아 is within.
_MELTED_VERB = re.compile(f"(.+[{''.join(_MELTED)}])(?:{_one_of('요')})?", re.DOTALL)
_LONGEST = 40  # characters; what is longer is no word
_DOES = unicodedata.normalize("NFD", "해")


@dataclass(frozen=True, slots=True)
class Stem:
    """The forms of a Hangul word that are compared.

    Attributes:
        word: The word itself, NFC.
        nouns: What may be left of it without particles, NFC, longest first; the word where nothing
            was cut.
        verb: What all forms of the word share if it is a verb, NFD; None where it has no ending of one.
        sure: Whether only verbs have this ending.
    """

    word: str
    nouns: tuple[str, ...]
    verb: str | None = None
    sure: bool = False


@functools.lru_cache(maxsize=1 << 16)
def stem(word: str) -> Stem:
    """Return the stems of a word of Hangul syllables, as this module's docstring defines them.

    Args:
        word: One word in NFC, without white space or punctuation.
    """
    if len(word) > _LONGEST:
        return Stem(word, (word,))
    nfd = unicodedata.normalize("NFD", word)
    match = _NOUN.fullmatch(nfd)
    nouns = [_nfc(match[1])] if match else []
    surely = _SURELY_VERB.fullmatch(nfd)
    found = surely or _PERHAPS_VERB.fullmatch(nfd) or _MELTED_VERB.fullmatch(nfd)
    verb = None
    if found:
        verb = found[1]
        # One after the other: repeated within one pattern, 었었었... would be tried in all divisions.
        while tense := _WITH_TENSE.fullmatch(verb):
            verb = tense[1]
        if verb.endswith(_DOES):
            verb = verb[:-1] + _A  # 했다, 해서: the verb 하다
        if (noun := _FROM_NOUN.fullmatch(verb)) and len(_nfc(noun[1])) > 1:
            nouns.append(_nfc(noun[1]))
        verb = _unchanging(verb)
    unique = sorted(set(nouns) or {word}, key=lambda noun: (-len(noun), noun))
    return Stem(word, tuple(unique), verb, surely is not None)


def _unchanging(verb: str) -> str:
    """Return the part of a verb's stem that all its forms share."""
    if len(_nfc(verb)) < 2:
        return verb[:-1] + _MELTED[verb[-1]] if verb[-1] in _MELTED else verb
    if verb[-1] == _FINAL_B:
        return verb[:-1] + _SILENT
    verb = verb[:-1] if verb[-1] in _DROPPED else verb
    return verb[:-1] if verb[-1] in _MELTING else verb


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
