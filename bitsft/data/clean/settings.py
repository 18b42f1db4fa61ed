"""`Cleaning`: what `clean_records` changes, and what it leaves alone.

Unicode NFC, line breaks, control and invisible characters have no switch: a model that sees two spellings of
the same syllable, or a character that shows nothing, learns noise. What is a matter of taste has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from bitsft.data.common.choices import check_choice

Action: TypeAlias = Literal["mask", "reject", "keep"]

# In the order in which they claim digits: a phone number within an e-mail address is an e-mail address.
PERSONAL_KINDS = (
    "email",
    "resident_number",
    "foreigner_number",
    "card",
    "drivers_licence",
    "phone",
    "account",
    "passport",
)

DEFAULT_TOKENS: Mapping[str, str] = MappingProxyType(
    {
        "email": "[이메일]",
        "resident_number": "[주민등록번호]",
        "foreigner_number": "[외국인등록번호]",
        "card": "[카드번호]",
        "drivers_licence": "[운전면허번호]",
        "phone": "[전화번호]",
        "account": "[계좌번호]",
        "passport": "[여권번호]",
    }
)


@dataclass(frozen=True)
class Cleaning:
    """Settings of the cleaning stage.

    Attributes:
        white_space: Whether blanks are put in order: other blanks to spaces, several to one, none at the ends of lines.
        max_blank_lines: How many blank lines may follow each other, at least 0.
        max_repeats: How many times a jamo or a mark may stand in a row (ㅋㅋㅋ, !!!), at least 1; None leaves all.
        mojibake: Whether texts that were read with the wrong charset are repaired (needs the extra `data`).
        email: What is done with e-mail addresses: `"mask"` puts a word in their place, `"reject"` refuses the row,
            `"keep"` leaves them. The same for the kinds below.
        resident_number: Resident registration numbers (주민등록번호).
        foreigner_number: Registration numbers of foreigners (외국인등록번호).
        card: Numbers of payment cards.
        drivers_licence: Numbers of driving licences.
        phone: Telephone numbers; those of companies (15xx, 16xx, 18xx, 080) are not personal.
        account: Numbers of bank accounts.
        passport: Numbers of passports.
        tokens: The word for each kind; kinds that are not named keep theirs, e.g. `[전화번호]`.
    """

    white_space: bool = True
    max_blank_lines: int = 2
    max_repeats: int | None = 3
    mojibake: bool = False
    email: Action = "mask"
    resident_number: Action = "mask"
    foreigner_number: Action = "mask"
    card: Action = "mask"
    drivers_licence: Action = "mask"
    phone: Action = "mask"
    account: Action = "mask"
    passport: Action = "mask"
    tokens: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: For a number out of its range, an unknown action or kind, or a token that would be
                cleaned away or found again as personal data.
            TypeError: For a value of the wrong type.
        """
        for name in ("white_space", "mojibake"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}={getattr(self, name)!r} must be True or False")
        _check_whole_number("max_blank_lines", self.max_blank_lines, least=0)
        if self.max_repeats is not None:
            _check_whole_number("max_repeats", self.max_repeats, least=1)
        for kind in PERSONAL_KINDS:
            check_choice(kind, getattr(self, kind), get_args(Action))
        if not isinstance(self.tokens, Mapping):
            raise TypeError(
                f"tokens={self.tokens!r} must map kinds to words, e.g. {{'phone': '[전화]'}}"
            )
        unknown = sorted(str(kind) for kind in self.tokens if kind not in PERSONAL_KINDS)
        if unknown:
            raise ValueError(f"tokens names {unknown}; the kinds are {', '.join(PERSONAL_KINDS)}")
        for kind, token in self.tokens.items():
            _check_token(kind, token)
        # A copy of its own, so that the caller's dict can change without changing these settings.
        merged = MappingProxyType({**DEFAULT_TOKENS, **self.tokens})
        object.__setattr__(self, "tokens", merged)

    def action(self, kind: str) -> Action:
        """What is done with a kind of personal data, e.g. `action("phone")`."""
        if kind not in PERSONAL_KINDS:
            raise ValueError(f"{kind!r} is not known; the kinds are {', '.join(PERSONAL_KINDS)}")
        chosen: Action = getattr(self, kind)
        return chosen

    def as_dict(self) -> dict[str, object]:
        """The settings as plain values, for a manifest."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"tokens": dict(self.tokens)}

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be sent to another process; the plain values can.
        return (_from_dict, (self.as_dict(),))


def _from_dict(values: dict[str, object]) -> Cleaning:
    return Cleaning(**values)  # type: ignore[arg-type]


def _check_whole_number(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r} must be a whole number")
    if value < least:
        raise ValueError(f"{name}={value} must be at least {least}")


def _check_token(kind: str, token: object) -> None:
    if not isinstance(token, str):
        raise TypeError(f"tokens[{kind!r}]={token!r} must be a text")
    if not token or any(character.isdigit() or character in "@＠" for character in token):
        raise ValueError(
            f"tokens[{kind!r}]={token!r} must not be empty or hold digits or @, "
            "which would look like personal data again; use e.g. '[전화번호]'"
        )
