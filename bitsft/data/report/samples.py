"""The section of samples: a few rows of each task as the model will see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from bitsft.data.report.pairs import Formatter, Pair, Row, pair_of
from bitsft.data.report.survey import TaskSurvey
from bitsft.data.report.tokens import Piece, Tokens
from bitsft.pages.blocks import Note, Section
from bitsft.pages.numbers import number

_SHOWN = 1600  # characters of a prompt, and of a completion


@dataclass(frozen=True)
class Sample:
    """One row as the model sees it, and what is to be said of it."""

    heading: str
    caption: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Samples:
    """Rows of one task; `samples.html` draws them."""

    heading: str
    samples: tuple[Sample, ...]
    kind: ClassVar[str] = "samples"


def samples_section(
    tasks: Mapping[str, TaskSurvey],
    rows_by_split: Mapping[str, Sequence[Row]],
    formatter: Formatter | None,
    tokens: Tokens | None,
    text: dict[str, str],
) -> Section | None:
    """A few rows of each task as the model will see them; None when none are asked for."""
    section = Section("samples", text["samples"])
    for task in tasks.values():
        shown = []
        for split, index in sorted(task.shown.kept):
            pair = pair_of(rows_by_split[split][index], formatter)
            heading = f"{split}, {text['row'].lower()} {index}"
            if tokens is not None and tokens.can_read(pair):
                pieces = tokens.pieces(pair)
                learned = sum(piece.tokens for piece in pieces if piece.learned)
                masked = sum(piece.tokens for piece in pieces) - learned
                caption = text["sample_tokens"].format(
                    masked=number(masked), learned=number(learned)
                )
            else:
                pieces, caption = _plain_pieces(pair), ""
            shown.append(Sample(heading, caption, tuple(_shorten(pieces, text))))
        if shown:
            section.blocks.append(Samples(task.name, tuple(shown)))
    if not section.blocks:
        return None
    caption = text["samples_caption"]
    if tokens is not None:
        caption += " " + text["tokens_caption"]
    section.blocks.insert(0, Note(caption))
    return section


def _plain_pieces(pair: Pair) -> list[Piece]:
    pieces = []
    for learned, part in ((False, pair.prompt), (True, pair.completion)):
        if isinstance(part, str):
            pieces.append(Piece(part, learned))
        else:
            pieces += [
                Piece(str(message["content"]), learned, role=str(message["role"]))
                for message in part
            ]
    return pieces


def _shorten(pieces: Sequence[Piece], text: dict[str, str]) -> list[Piece]:
    """Cut a long prompt in its middle, and a long completion too: their ends matter most."""
    shown = []
    for learned in (False, True):
        group = [piece for piece in pieces if piece.learned is learned]
        length = sum(len(piece.text) for piece in group)
        if length <= _SHOWN:
            shown += group
            continue
        shown += _between(group, 0, _SHOWN * 2 // 3)
        left_out = text["left_out"].format(count=number(length - _SHOWN))
        shown.append(Piece(left_out, learned, is_note=True))
        shown += _between(group, length - _SHOWN // 3, length)
    return shown


def _between(pieces: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    """Return the pieces of the characters from `start` to `stop`, dividing those at the ends."""
    found = []
    position = 0
    for piece in pieces:
        end = position + len(piece.text)
        if position >= start and end <= stop:
            found.append(piece)
        elif end > start and position < stop:
            inside = piece.text[max(start - position, 0) : stop - position]
            found.append(replace(piece, text=inside))
        position = end
    return found
