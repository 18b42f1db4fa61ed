"""Pairs of texts for the benchmarks of the metrics: made ones, and real ones from files named on the command line.

A file is given as `PATH,PREDICTION,REFERENCE` with the names or numbers (from 0) of two columns: `.csv` is read
as CSV, `.tsv` as tab-separated without quoting. A `PATH` alone is text with a paragraph on each line; the
reference is the paragraph and the prediction the same with one word in five left out. `.xz` is unpacked.
"""

import csv
import io
import lzma
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

Pair = tuple[str, str]

# One-token words, punctuation of both scripts, compatibility characters, an emoji, an unknown syllable.
_KOREAN = "서울의 서울 인구는 인구 약 천만 1천만 명입니다 명 ㅋㅋㅋ ㎏ 😀 《책》 ‘나’ … 가나다라마바사 뷁 네 예"
_ASCII = "the The cat sat on mat. U.S. (Seoul) 'A' !! ? 3.14 e-mail snake_case 1,000 it's -- a"


def random_pairs(number: int, seed: int = 0, *, ascii_only: bool = False) -> list[Pair]:
    """Made pairs, Korean and English mixed or ASCII only: a reference of 1 to 25 words, in a third of two or three lines, and a changed copy of it.

    One in twenty predictions is blank, one in twenty pairs is equal, one in twenty in another Unicode form.
    """
    rng = random.Random(seed)
    words = (_ASCII if ascii_only else f"{_KOREAN} {_ASCII}").split()
    pairs = []
    for _ in range(number):
        reference = [rng.choice(words) for _ in range(rng.randint(1, 25))]
        prediction = list(reference)
        for _ in range(rng.randint(0, len(reference) + 1)):
            place = rng.randrange(len(prediction) + 1)
            prediction[place : place + rng.randint(0, 2)] = rng.choices(words, k=rng.randint(0, 2))
        space = rng.choice([" ", " ", "\n"])
        found, expected = space.join(prediction), space.join(reference)
        kind = rng.randrange(20)
        if kind == 0:
            found = rng.choice(["", " ", "\n"])
        elif kind == 1:
            found = expected
        elif kind == 2:
            found = unicodedata.normalize("NFD", found)
        pairs.append((found, expected))
    return pairs


def real_pairs(source: str, number: int | None = None, shortest: int = 1) -> list[Pair]:
    """Up to `number` pairs of a file, evenly spread over it; references of fewer than `shortest` characters left out."""
    name, *columns = source.split(",")
    path = Path(name)
    pairs = [pair for pair in _read(path, columns) if len(pair[1]) >= shortest]
    if number is None or number >= len(pairs):
        return pairs
    return [pairs[i * len(pairs) // number] for i in range(number)]


def _read(path: Path, columns: list[str]) -> Iterator[Pair]:
    content = path.read_bytes()
    if path.suffix == ".xz":
        content, path = lzma.decompress(content), path.with_suffix("")
    text = content.decode("utf-8-sig")
    if not columns:
        rng = random.Random(0)
        for line in text.split("\n"):
            words = line.split()
            if words:
                yield " ".join(word for word in words if rng.random() > 0.2), " ".join(words)
        return
    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(text, newline="")))
    else:
        rows = [line.split("\t") for line in text.splitlines()]
    if all(column.isdigit() for column in columns):
        first, second = map(int, columns)
    else:
        first, second = map(rows.pop(0).index, columns)
    for row in rows:
        if len(row) > max(first, second):
            yield row[first], row[second]
