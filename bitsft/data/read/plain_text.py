"""`.txt`: a row a line, `{"text": line}`, without the line end. Blank lines are skipped."""

from collections.abc import Iterator

from bitsft.data.read.charset import TextFile
from bitsft.data.read.faults import Fault, Row


def read_plain_text(file: TextFile) -> Iterator[Row | Fault]:
    """Yield a row for each line of a text file."""
    with file.open() as lines:
        for line in lines:
            text = line.rstrip("\r\n")
            if text.strip():
                yield {"text": text}
