"""`marked_answer`: an answer with what it does not have in common with the reference.

Both texts are cut into words, a word with the white space after it, and aligned by the longest common
blocks (`difflib.SequenceMatcher`, after Ratcliff and Obershelp 1988). A Korean word is a stem with particles
and endings, so two words at the same place are divided where they share half of the longer one, and two
characters, at their beginning and end: of `인구는` and `인구가` only the particle is marked. Numbers stay whole.

Words are compared in Unicode's NFC; what is shown is the answer as it is. Limits: a word that moved is
marked twice, as missing there and as extra here. The alignment takes time with the product of both lengths,
so give it texts of at most some thousand characters.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from bitsft.pages.visible import syllable_start

Kind = Literal["same", "extra", "missing"]

_LEAST_IN_COMMON = 0.2
_SHORTEST = 2  # characters; 긍정 and 부정 have nothing in common
# A word and the marks that belong to it; or one character, an emoji with all of its parts.
_WORD = re.compile(
    r"(?:[\w\u0300-\u036f]+|[^\w\s](?:[\ufe0f\u0300-\u036f\U0001f3fb-\U0001f3ff]|\u200d.)*)\s*|\s+"
)


@dataclass(frozen=True)
class Span:
    """A piece of an answer.

    Attributes:
        text: The piece.
        kind: `"same"`: both have it; `"extra"`: only the answer; `"missing"`: only the reference.
    """

    text: str
    kind: Kind


@dataclass(frozen=True)
class MarkedAnswer:
    """An answer in pieces.

    Attributes:
        spans: In order; those that are not missing are the answer, letter by letter.
        verdict: `"equal"`; `"similar"`; or `"unlike"`: so little is in common that nothing is marked.
    """

    spans: tuple[Span, ...]
    verdict: Literal["equal", "similar", "unlike"]


def marked_answer(answer: str, reference: str) -> MarkedAnswer:
    """Mark what an answer has more, and what it lacks.

    Args:
        answer: What a model said.
        reference: What it should have said.
    """
    if _key(answer) == _key(reference):
        return MarkedAnswer((Span(answer, "same"),), "equal")
    ours, theirs = _WORD.findall(answer), _WORD.findall(reference)
    matcher = SequenceMatcher(None, [_key(w) for w in theirs], [_key(w) for w in ours], False)
    spans: list[Span] = []
    for how, start, stop, first, last in matcher.get_opcodes():
        if how == "equal":
            for one, other in zip(theirs[start:stop], ours[first:last], strict=True):
                spans.append(Span(other, "same"))
                if not other[-1:].isspace():  # keeps a missing word that follows apart
                    spans.append(Span(one[len(one.rstrip()) :], "missing"))
        else:
            spans += _changed(theirs[start:stop], ours[first:last])
    common = sum(len(_key(span.text)) for span in spans if span.kind == "same")
    if common < _LEAST_IN_COMMON * max(len(_key(answer)), len(_key(reference))):
        return MarkedAnswer((Span(answer, "same"),) if answer else (), "unlike")
    return MarkedAnswer(tuple(_joined(spans)), "similar")


def _changed(missing: Sequence[str], extra: Sequence[str]) -> list[Span]:
    if len(missing) == len(extra):
        pairs = [_divided(one, other) for one, other in zip(missing, extra, strict=True)]
        if any(span.kind == "same" for pair in pairs for span in pair):
            return [span for pair in pairs for span in pair]
    return [Span("".join(missing), "missing"), Span("".join(extra), "extra")]


def _divided(missing: str, extra: str) -> list[Span]:
    """Two words at the same place: what they share at the beginning and at the end, where it is half or more."""
    one, other = missing.rstrip(), extra.rstrip()
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start] == other[start]:
        start += 1
    while start > 0 and not (_may_divide(one, start) and _may_divide(other, start)):
        start -= 1
    stop = 0
    while stop < shorter - start and one[-1 - stop] == other[-1 - stop]:
        stop += 1
    while stop > 0 and not (
        _may_divide(one, len(one) - stop) and _may_divide(other, len(other) - stop)
    ):
        stop -= 1
    if start + stop < max(len(one), len(other), 2 * _SHORTEST) / 2:
        return [Span(missing, "missing"), Span(extra, "extra")]
    return [
        Span(other[:start], "same"),
        Span(one[start : len(one) - stop], "missing"),
        Span(other[start : len(other) - stop], "extra"),
        Span(extra[len(other) - stop :], "same"),
    ]


def _may_divide(word: str, at: int) -> bool:
    """Whether the eye may divide a word there: not within a syllable, nor within a number."""
    if 0 < at < len(word) and word[at - 1].isdigit() and word[at].isdigit():
        return False
    return syllable_start(word, at) == at


def _joined(spans: Sequence[Span]) -> Iterator[Span]:
    """Put neighbours together: first all that is missing, then all that is extra, without spaces at its end."""
    same = missing = extra = ""
    for span in (*spans, Span("", "same")):
        if span.kind == "missing":
            missing += span.text
            continue
        if span.kind == "extra":
            extra += span.text
            continue
        word = extra.rstrip()
        if word or missing.strip():
            if same:
                yield Span(same, "same")
            if missing.strip():
                yield Span(missing.rstrip(), "missing")
            if word:
                yield Span(word, "extra")
            same = ""
        same += extra[len(word) :] + span.text
        missing = extra = ""
    if same:
        yield Span(same, "same")


def _key(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))
