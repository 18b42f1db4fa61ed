"""`split_text`: a long document -> chunks of at most `max_size`, cut where a reader would cut.

A chunk ends at the end of a paragraph (a line) where one fits, else of a sentence, else between two words,
and only within a word that is too long by itself. Chunks are stretches of the text, unchanged, without the
white space at their ends. A paragraph that fits into a chunk of its own is not divided to fill the one
before it.

`max_size` counts what `size` counts: characters with `len`, or tokens with the tokenizer to train with:

    split_text(text, 512, size=lambda part: len(tokenizer.tokenize(part)))

A sentence ends at . ! ? … or their East Asian forms, with closing quotes and brackets, before white space.

Limits: an abbreviation before a space ("Dr. Kim") ends a sentence. What is shown as one character (a
syllable in NFD, an emoji with its modifiers) is never cut, even where it is larger than `max_size`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]

_SENTENCE_END = re.compile(r"[.!?…。！？．]+[\"'”’)\]}」』》〉]*(?=\s)")
_LINE_BREAK = re.compile(r"[\n\r\u2028\u2029\x85\x0b\x0c]+")
_SPACE = re.compile(r"\s+")


def split_text(
    text: str, max_size: int, *, overlap: int = 0, size: Callable[[str], int] = len
) -> list[str]:
    """Split a text into chunks at the borders of its paragraphs, sentences or words.

    Args:
        text: The text.
        max_size: The largest size of a chunk, in what `size` counts.
        overlap: How much of a chunk's end, in whole sentences, the next one begins with, at most.
        size: The size of a text; it must not shrink when a text gets longer.

    Returns:
        The chunks in order; none for a text without anything but white space.

    Raises:
        ValueError: For a `max_size` below 1, or an `overlap` that is negative or not below `max_size`.
    """
    if max_size < 1:
        raise ValueError(f"max_size={max_size} must be at least 1")
    if not 0 <= overlap < max_size:
        raise ValueError(f"overlap={overlap} must be at least 0 and below max_size={max_size}")

    def fits(start: int, end: int) -> bool:
        return size(text[start:end]) <= max_size

    pieces = list(_pieces(text, fits))
    ends = [end for _, end in pieces]
    chunks: list[str] = []
    first = new = 0  # pieces[first:new] repeat the end of the chunk before
    while new < len(pieces):
        start = pieces[first][0]
        last = _longest(new, len(pieces) - 1, partial(_fits_up_to, fits, start, ends))
        chunks.append(text[start : ends[last]])
        begun, first, new = first, last + 1, last + 1
        # As many pieces again as `overlap` allows and leave room for a new one; never a whole chunk.
        while (
            overlap
            and new < len(pieces)
            and first - 1 > begun
            and size(text[pieces[first - 1][0] : ends[last]]) <= overlap
            and fits(pieces[first - 1][0], ends[new])
        ):
            first -= 1
    return chunks


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order, lines being ends of sentences too."""
    lines = _between(text, (0, len(text)), _LINE_BREAK)
    return [text[start:end] for line in lines for start, end in _sentences(text, line)]


def _longest(least: int, most: int, fits: Callable[[int], bool]) -> int:
    """Return the largest n in [least, most] that fits; `least` is taken as fitting.

    Doubling steps, then halving ones: few calls, and none with a text much longer than a chunk.
    """
    good, step = least, 1
    while good + step <= most and fits(good + step):
        good += step
        step *= 2
    while step:
        if good + step <= most and fits(good + step):
            good += step
        step //= 2
    return good


def _fits_up_to(
    fits: Callable[[int, int], bool], start: int, ends: Sequence[int], number: int
) -> bool:
    return fits(start, ends[number])


def _pieces(text: str, fits: Callable[[int, int], bool]) -> Iterator[Span]:
    """Yield the largest stretches (paragraph, sentence, word, characters) that fit."""
    for paragraph in _between(text, (0, len(text)), _LINE_BREAK):
        if fits(*paragraph):
            yield paragraph
            continue
        for sentence in _sentences(text, paragraph):
            if fits(*sentence):
                yield sentence
                continue
            for word in _between(text, sentence, _SPACE):
                yield from [word] if fits(*word) else _parts_of_word(text, word, fits)


def _between(text: str, span: Span, border: re.Pattern[str]) -> Iterator[Span]:
    """Yield what stands between the borders, without white space at its ends, if anything."""
    start = span[0]
    for match in border.finditer(text, *span):
        yield from _stripped(text, start, match.start())
        start = match.end()
    yield from _stripped(text, start, span[1])


def _sentences(text: str, span: Span) -> Iterator[Span]:
    start = span[0]
    for match in _SENTENCE_END.finditer(text, *span):
        yield from _stripped(text, start, match.end())
        start = match.end()
    yield from _stripped(text, start, span[1])


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _parts_of_word(text: str, span: Span, fits: Callable[[int, int], bool]) -> Iterator[Span]:
    start, end = span
    borders = [at for at in range(start + 1, end) if not _joined(text[at - 1], text[at])] + [end]
    first = 0
    while first < len(borders):
        last = _longest(first, len(borders) - 1, partial(_fits_up_to, fits, start, borders))
        yield start, borders[last]
        start, first = borders[last], last + 1


def _joined(before: str, after: str) -> bool:
    """Whether two characters show as one: marks, jamo of one syllable, emoji sequences."""
    return (
        before == "\u200d"
        or after == "\u200d"
        or unicodedata.category(after)[0] == "M"
        or "\u1160" <= after <= "\u11ff"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
