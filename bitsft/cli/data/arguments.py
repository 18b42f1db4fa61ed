"""What the verbs of `bitsft data` have in common: values such as `q=question,doc=context`, read from the command line."""

import argparse
from collections.abc import Mapping, Sequence

from bitsft.cli.parser import WrongUse


def pairs(text: str) -> dict[str, str]:
    """Read `a=b,c=d`.

    Raises:
        argparse.ArgumentTypeError: When a part has no `=`, nothing on one of its sides, or a name twice.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise argparse.ArgumentTypeError(f"{part!r} is not of the form name=value, in {text!r}")
        if name in found:
            raise argparse.ArgumentTypeError(f"{name!r} is given twice in {text!r}")
        found[name] = value
    return found


def character(text: str) -> str:
    r"""Read a delimiter: `\t`, which a shell hands over as two characters, is a tab."""
    return "\t" if text == r"\t" else text


def names(text: str) -> list[str]:
    """Read `a,b,c`.

    Raises:
        argparse.ArgumentTypeError: When a name is empty.
    """
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; write name,name")
    return found


def numbers(text: str) -> dict[str, float]:
    """Read `train=0.8,validation=0.2`.

    Raises:
        argparse.ArgumentTypeError: When a value is no number.
    """
    found = {}
    for name, value in pairs(text).items():
        try:
            found[name] = float(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{name}={value!r} is not a number") from error
    return found


def length_bounds(text: str) -> dict[str, tuple[int | None, int | None]]:
    """Read `answer=1:2000,question=:300`: the least and most characters of a column.

    Raises:
        argparse.ArgumentTypeError: When a bound is not `LEAST:MOST` with at least one whole number.
    """
    found = {}
    for name, value in pairs(text).items():
        least, colon, most = value.partition(":")
        if not colon or not (least or most) or not all(b.isdecimal() for b in (least, most) if b):
            raise argparse.ArgumentTypeError(
                f"{name}={value!r}: write LEAST:MOST, e.g. 1:2000 or :300"
            )
        found[name] = (int(least) if least else None, int(most) if most else None)
    return found


def merged(given: Sequence[Mapping[str, str]] | None, option: str) -> dict[str, str]:
    """Join the values of an option that was given several times.

    Raises:
        WrongUse: When two of them name the same thing.
    """
    found: dict[str, str] = {}
    for part in given or ():
        twice = sorted(found.keys() & part.keys())
        if twice:
            raise WrongUse(f"{option}: {twice[0]!r} is given twice")
        found |= part
    return found
