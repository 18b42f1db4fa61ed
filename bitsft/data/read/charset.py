"""The charset of a text file: strictly UTF-8, with or without a byte order mark, or else CP949.

A first pass decodes the whole file in pieces, so that a wrong charset is found before any row is
used, and the memory does not grow with the file. There is no guessing beyond this ladder, because a
guess that is wrong gives wrong texts and no error. What is recognised is named with its remedy: UTF-16
(the "Unicode text" that spreadsheets write), with its byte order mark or without.

Files that end in .gz, .bz2 or .xz are decompressed on the way.
"""

import bz2
import codecs
import gzip
import io
import itertools
import logging
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TextIO, cast

from bitsft.data.read.faults import UnreadableFileError

logger = logging.getLogger(__name__)

COMPRESSED = (".gz", ".bz2", ".xz")

_PIECE = 1 << 20  # bytes
_BOM = codecs.BOM_UTF8
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextFile:
    """A text file and its charset.

    Attributes:
        path: The file.
        source: Its name, as the user gave it.
        encoding: The charset that fits all of it.
    """

    path: str
    source: str
    encoding: str

    def open(self, newline: str = "\n") -> TextIO:
        """Open it for reading, after its byte order mark if there is one.

        Args:
            newline: `"\\n"`, or `""` where lines may end in `"\\r"` as well, as for `open`.
        """
        text = io.TextIOWrapper(_open_bytes(self.path), encoding=self.encoding, newline=newline)
        if text.read(1) != "\ufeff":
            text.seek(0)
        return text


def text_file(path: str, source: str, encoding: str | None = None) -> TextFile:
    """Find the charset of a file by decoding all of it.

    Args:
        path: The file.
        source: Its name in messages.
        encoding: The charset, to be made sure of; None for the ladder.

    Raises:
        UnreadableFileError: When the file is empty, in no known charset, or broken as a .gz or the like.
    """
    chosen = _named(path, source, encoding) if encoding is not None else _recognised(path, source)
    return TextFile(path, source, chosen)


@dataclass
class _Failure:
    """Where bytes stopped to be text: the byte's offset and value, its line, and the codec's words."""

    at: int
    byte: int
    line: int
    error: UnicodeError

    @property
    def place(self) -> str:
        return f"byte {self.at} (0x{self.byte:02x})"


def _open_bytes(path: str) -> IO[bytes]:
    name = path.lower()
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path))
    if name.endswith(".bz2"):
        return bz2.open(path)
    if name.endswith(".xz"):
        return lzma.open(path)
    return open(path, "rb")  # noqa: PTH123 (one form for all four)


def _recognised(path: str, source: str) -> str:
    start = _first_bytes(path, source)
    failed = _decode_all(path, source, "utf-8")
    if failed is None:
        if start.count(0) * 10 > len(start):
            encoding = "utf-16-be" if start[0] == 0 else "utf-16-le"
            raise UnreadableFileError(
                source,
                "not text",
                f"at byte {start.index(0)} (0x00): more than a tenth of it are NUL bytes",
                f"If it is UTF-16 without a byte order mark, pass encoding={encoding!r}",
            )
        return "utf-8"
    place = f"byte {failed.at} (0x{failed.byte:02x}, line {failed.line})"
    for mark, encoding in _OTHER_MARKS:
        if start.startswith(mark):
            raise UnreadableFileError(
                source,
                "not UTF-8",
                f"at {place}: it starts with the byte order mark of {encoding.upper()}",
                f"Pass encoding={encoding!r}, or save it as UTF-8",
            ) from failed.error
    if not start.startswith(_BOM):  # that mark promises UTF-8: nothing else is tried after it
        not_cp949 = _decode_all(path, source, "cp949")
        if not_cp949 is None:
            logger.warning("%s is not UTF-8 (%s): read as CP949", source, place)
            return "cp949"
        place += f", nor CP949, at {not_cp949.place}"
    raise UnreadableFileError(
        source,
        "not UTF-8",
        f"at {place}",
        "Save it as UTF-8, or name its encoding, e.g. encoding='utf-16'",
    ) from failed.error


def _named(path: str, source: str, encoding: str) -> str:
    reason = f"cannot be read with encoding={encoding!r}"
    remedy = "Name the charset it was saved in, or leave encoding= out to try UTF-8 and CP949"
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)  # refuses "hex" and the like
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError) as error:
        raise UnreadableFileError(source, reason, str(error), remedy) from error
    _first_bytes(path, source)
    failed = _decode_all(path, source, encoding)
    if failed is not None:
        detail = f"at {failed.place}: {failed.error}" if failed.at >= 0 else str(failed.error)
        raise UnreadableFileError(source, reason, detail, remedy) from failed.error
    return encoding


def _first_bytes(path: str, source: str) -> bytes:
    start = b"".join(_pieces(path, source, most=1))
    if not start:
        raise UnreadableFileError(
            source,
            "holds no rows",
            "the file is empty (0 bytes)",
            "Leave it out, or write it again",
        )
    return start


def _decode_all(path: str, source: str, encoding: str) -> _Failure | None:
    """Decode the whole file and drop the text; None when all of it is in this charset."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before, line = 0, 1
    for piece in _pieces(path, source):
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            # The codec's own object starts with what it had kept of the piece before.
            kept = len(error.object) - len(piece)
            at = error.start - kept
            return _Failure(
                before + at,
                error.object[error.start],
                line + piece.count(b"\n", 0, max(at, 0)),
                error,
            )
        except UnicodeError as error:  # e.g. UTF-16 without a byte order mark
            return _Failure(-1, 0, line, error)
        before += len(piece)
        line += piece.count(b"\n")
    return None


def _pieces(path: str, source: str, most: int = 0) -> Iterator[bytes]:
    """Yield the file's bytes, the first `most` pieces or all of them with an empty one at the end."""
    try:
        with _open_bytes(path) as file:
            for number in itertools.count(1):
                piece = file.read(_PIECE)
                yield piece
                if not piece or number == most:
                    return
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _broken(source, error) from error
    except OSError as error:
        if error.errno is None:  # bz2 has no error of its own
            raise _broken(source, error) from error
        raise UnreadableFileError(
            source, "cannot be opened", str(error), "Check the disk and the file's permissions"
        ) from error


def _broken(source: str, error: Exception) -> UnreadableFileError:
    return UnreadableFileError(
        source, "cannot be decompressed", str(error), "Copy or compress it again"
    )
