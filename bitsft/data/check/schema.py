"""`RowSchema`: the base of the eight row types, and the two kinds of text in them.

A row type is a frozen pydantic model with one attribute for each column of its task (`tasks.py`).
`RowType.from_raw(row)` reads a raw row in any of the shapes that the task's file lists, and raises
`fields.RowError` for one that it cannot use: the first fault, in words that are the same for every
row that has it, so that faults can be counted. Columns that a task does not know are not looked at.

The rules for texts are those of `fields.py`, in pydantic's compiled validators: None, NaN and a text in
which nothing is visible are missing, half of a surrogate pair is refused, white space at both ends
goes. Constructing a row type directly (`KoAlpacaRow(instruction=..., output=...)`) applies the same
rules, and raises pydantic's ValidationError.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails
from typing_extensions import Self

from bitsft.data.fields import RowError, check_mapping, check_text, is_missing

# One character that shows: neither white space (Python's, which has U+001C to U+001F on top of
# Unicode's) nor one of the characters of no width that fields.py names.
_VISIBLE = r"[^\s\x1c-\x1f\u200b\u200c\u200d\u2060\ufeff]"
FILL_IN = "Fill it in, or leave the row out"


def _none_if_missing(value: Any) -> Any:
    return None if is_missing(value) else value


Text = Annotated[str, StringConstraints(strict=True, pattern=_VISIBLE), AfterValidator(str.strip)]
OptionalText = Annotated[Text | None, BeforeValidator(_none_if_missing)]


class RowSchema(BaseModel):
    """A checked row of one task; frozen.

    Class attributes:
        task: The task's name in `tasks.TASKS`.
        needs: What a raw row must have: for each entry, one column of several.
        reads: All columns that `from_raw` looks at.
    """

    model_config = ConfigDict(frozen=True)

    task: ClassVar[str]
    needs: ClassVar[tuple[tuple[str, ...], ...]]
    reads: ClassVar[frozenset[str]]

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], row_number: int | None = None) -> Self:
        """Check a raw row and return it in its task's one shape.

        Args:
            raw: A row in one of the shapes that the module's docstring lists.
            row_number: The row's index from 0, for the error message.

        Raises:
            RowError: (a ValueError) for the first missing, empty or mistyped column.
        """
        return cls.validated(check_mapping(raw, row_number), row_number)

    @classmethod
    def validated(
        cls,
        values: Mapping[str, Any],
        row_number: int | None,
        names: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the model of these values.

        Args:
            values: A value for each attribute of the model; others are not looked at.
            row_number: The row's index from 0, for the error message.
            names: What the raw row calls an attribute where the model calls it otherwise, e.g.
                `{"documents": "context"}`, for the error message.

        Raises:
            RowError: For the first fault.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False)[0]
        raise row_error(fault, row_number, names or {})

    def columns(self) -> dict[str, Any]:
        """The row as a dict in the order of `tasks.py`, without the optional columns it lacks."""
        return {name: value for name, value in self.__dict__.items() if value is not None}


def row_error(fault: ErrorDetails, row_number: int | None, names: Mapping[str, str]) -> RowError:
    """Return a fault that pydantic found in the words that the rest of `bitsft.data` uses."""
    field = ""
    for part in fault["loc"]:
        if isinstance(part, int):
            field += f"[{part}]"
        else:
            field += ("." if field else "") + names.get(part, part)
    kind = fault["type"]
    value = None if kind == "missing" else fault["input"]
    if value is None:
        return RowError(field, "is missing", FILL_IN, None, row_number)
    if kind.startswith("string_"):
        check_text(value, field, row_number)  # raises, and says it in the words of fields.py
        return RowError(field, "is empty", FILL_IN, value, row_number)
    reason, remedy = _FAULTS.get(kind, (f"is refused ({kind})", "Repair the value"))
    return RowError(field, reason.format(type=type(value).__name__), remedy, value, row_number)


# pydantic's type of fault -> what is said of it
_LIST = (
    "is of type {type}, not a list",
    "Give a list; a list written as text is read by json.loads",
)
_FAULTS = {
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": ("is of type {type}, not a mapping", "Give a dict with a 'role' and a 'content'"),
    "literal_error": (
        "is not 'system', 'user' or 'assistant'",
        "Rename the role, or leave such messages out",
    ),
    "too_short": ("is empty", FILL_IN),
}
