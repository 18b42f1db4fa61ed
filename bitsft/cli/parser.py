"""The command line's parser, and what it calls wrong use: one line, exit status 2.

argparse prints the whole usage before what is wrong, up to thirty lines; here the one line says what was meant, if a
word is nearly right, and where the help is.
"""

import argparse
import difflib
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

WRONG_USE = 2
_TRAINING = ("train", "sft", "finetune", "fine-tune")


class WrongUse(ValueError):
    """Options that do not fit together, or one without what it needs: exit status 2, as for an unknown option."""


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose errors are one line; its verbs' parsers are of the same class."""

    _stray: bool = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse; but a verb names what it does not know itself, with its own help and options."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._stray = not unknown[0].startswith("-")
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong and what was likely meant, and end with status 2."""
        said = message + self._remedy(message)
        end = " " if said.endswith("?") else ". "
        self.exit(WRONG_USE, f"{self.prog}: {said}{end}See {self.prog} --help\n")

    def _remedy(self, message: str) -> str:
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice is not None and "verb:" in message and choice[1] in _TRAINING:
            return "; a training is a script of ten lines: README.md, docs/quickstart.md, examples/"
        if choice is not None:
            return _nearest(choice[1], re.findall(r"[^\s',]+", choice[2]))
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown is None:
            return ""
        if self._stray:
            return "; what is no option comes first, then the options"
        return _nearest(
            unknown[1].split("=")[0], re.findall(r"--[a-z][a-z-]*", self.format_usage())
        )


def _nearest(given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def at_least(least: int) -> Callable[[str], int]:
    """Read a whole number that is not below `least`, for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: When it is none, or below.
    """

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small; give {least} or more")
        return number

    return read


def above(least: float, most: float = math.inf) -> Callable[[str], float]:
    """Read a finite number above `least` and not above `most`, for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: When it is none, or outside; NaN is outside.
    """

    def read(text: str) -> float:
        number = _number(text)
        if not (least < number <= most and math.isfinite(number)):
            bound = "" if most == math.inf else f" and at most {most:g}"
            raise argparse.ArgumentTypeError(f"{text} must be above {least:g}{bound}, and finite")
        return number

    return read


def at_least_number(least: float) -> Callable[[str], float]:
    """Read a finite number that is not below `least`, for argparse's `type`.

    Raises:
        argparse.ArgumentTypeError: When it is none, or below; NaN is below.
    """

    def read(text: str) -> float:
        number = _number(text)
        if not (number >= least and math.isfinite(number)):
            raise argparse.ArgumentTypeError(f"{text} must be {least:g} or more, and finite")
        return number

    return read


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
