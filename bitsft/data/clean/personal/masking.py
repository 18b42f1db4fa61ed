"""All kinds of personal data of a text, none overlapping another, and the text without them."""

import re
from collections.abc import Callable, Iterator, Mapping

from bitsft.data.clean.personal.account import find_accounts
from bitsft.data.clean.personal.card import find_cards
from bitsft.data.clean.personal.email import find_emails
from bitsft.data.clean.personal.found import Found, plain_copy
from bitsft.data.clean.personal.licence import find_licences
from bitsft.data.clean.personal.passport import find_passports
from bitsft.data.clean.personal.phone import find_phones
from bitsft.data.clean.personal.registration import find_registration_numbers

# The first to claim a character has it: kinds with a check digit or a form of their own come before the others.
_FINDERS: tuple[Callable[[str], Iterator[Found]], ...] = (
    find_emails,
    find_registration_numbers,
    find_cards,
    find_licences,
    find_phones,
    find_accounts,
    find_passports,
)

_DIGIT = "0-9\uff10-\uff19"
_BETWEEN = "-. )(/_\u00a0\u2010-\u2015\u2043\u2212\u3000\u3161\ufe58\ufe63\uff08\uff09\uff0d\uff0e"
# What follows the first character of anything personal: of eight digits with little between them, of the digits in the
# new form of passports, or of an "@" with a domain after it.
PERSONAL_STARTS = f"{_DIGIT}@\uff20"
PERSONAL_GOES_ON = (
    rf"(?<=[{_DIGIT}])(?:(?:[{_BETWEEN}]{{0,4}}[{_DIGIT}]){{7}}|[{_DIGIT}]{{2}}[A-Za-z\uff21-\uff5a][{_DIGIT}]{{4}})"
    r"|(?<=[@\uff20])[A-Za-z0-9\uff10-\uff5a]"
)
_MAYBE = re.compile(f"[{PERSONAL_STARTS}](?:{PERSONAL_GOES_ON})")


def maybe_personal(text: str) -> bool:
    """Whether `find_personal` could find anything; quick, and true for many texts in which it finds nothing."""
    return _MAYBE.search(text) is not None


def find_personal(text: str) -> tuple[Found, ...]:
    """Return the personal data in a text, in its order.

    Args:
        text: A text in NFC, without invisible characters.

    Returns:
        A kind (`settings.PERSONAL_KINDS`), a start and an end for each.
    """
    if not maybe_personal(text):
        return ()
    plain = plain_copy(text)
    found: list[Found] = []
    taken = bytearray(len(plain))
    for finder in _FINDERS:
        for new in finder(plain):
            if taken.find(1, new.start, new.end) < 0:
                taken[new.start : new.end] = b"\1" * (new.end - new.start)
                found.append(new)
    return tuple(sorted(found, key=lambda one: one.start))


def mask(text: str, found: tuple[Found, ...], tokens: Mapping[str, str]) -> str:
    """Return the text with the word of its kind in the place of each piece of personal data."""
    parts: list[str] = []
    end = 0
    for one in found:
        parts += text[end : one.start], tokens[one.kind]
        end = one.end
    return "".join((*parts, text[end:]))
