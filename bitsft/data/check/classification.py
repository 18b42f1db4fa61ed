"""Classification rows: a text (or two), and the name of its class.

Shape: `text`, `label`, optionally `text_pair` (for pairs: premise and hypothesis, two sentences). The
label is a text, a whole number, True or False, and becomes a text; 1.0 is 1, since pandas turns a
column of whole numbers with a gap into floats. `label_names` gives the classes names that a model can
write: `{"0": "부정", "1": "긍정"}`, or `["부정", "긍정"]` for classes numbered from 0. Upper and lower case
are the same where no label tells them apart (KoBEST's test file has `True` and `TRUE`). A row whose label
has no name is then refused, unless it is one of the names already.
"""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BeforeValidator
from typing_extensions import Self

from bitsft.data.check.schema import OptionalText, RowSchema, Text
from bitsft.data.fields import RowError, check_mapping, is_missing

LabelNames: TypeAlias = Mapping[str, str]

# Class numbers are small; int -> str of thousands of digits is refused by Python itself.
_LARGEST = 2**63


def _label_text(value: Any) -> Any:
    """Return a number or a truth value as text; what is no label is left for `Text` to refuse."""
    if isinstance(value, str):
        return value
    if isinstance(value, Integral) and abs(int(value)) < _LARGEST:
        return str(value)
    if isinstance(value, Real) and not isinstance(value, Integral):
        number = float(value)
        if abs(number) < _LARGEST:  # not NaN, not infinite
            return str(int(number)) if number.is_integer() else str(number)
    return value


class ClassificationRow(RowSchema):
    """A text, or a pair of texts, and the name of its class."""

    task: ClassVar[str] = "classification"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("text",), ("label",))
    reads: ClassVar[frozenset[str]] = frozenset({"text", "label", "text_pair"})

    text: Text
    label: Annotated[Text, BeforeValidator(_label_text)]
    text_pair: OptionalText = None

    @classmethod
    def from_raw(
        cls,
        raw: Mapping[str, Any],
        row_number: int | None = None,
        *,
        label_names: LabelNames | None = None,
    ) -> Self:
        """Check a raw row and return it with its label as a text.

        Args:
            raw: A row with `text`, `label` and optionally `text_pair`.
            row_number: The row's index from 0, for the error message.
            label_names: The name for each label, as `read_label_names` returns them. None keeps the
                labels.

        Raises:
            RowError: (a ValueError) for a missing, empty or mistyped field, or a label without a name.
        """
        raw = check_mapping(raw, row_number)
        label = _label_text(raw.get("label"))
        if label_names is None or not isinstance(label, str) or is_missing(label):
            return cls.validated(raw, row_number)
        return cls.validated(
            {**raw, "label": _name_of(label.strip(), label_names, row_number)}, row_number
        )


def _name_of(label: str, label_names: LabelNames, row_number: int | None) -> str:
    """Return the name of a label: by the label to the letter, or else without regard to case."""
    name = label_names.get(label)
    if name is not None:
        return name
    if label in label_names.values():
        return label
    folded = label.casefold()
    names = {name for known, name in label_names.items() if known.casefold() == folded}
    if len(names) == 1:
        return names.pop()
    remedy = f"Name it there; known are {', '.join(label_names)}"
    raise RowError("label", "is not in label_names", remedy, label, row_number)


def read_label_names(
    names: Mapping[Any, str] | Sequence[str] | None,
) -> dict[str, str] | None:
    """Return the names of the classes by their labels as texts.

    Args:
        names: `{label: name}`, the labels as texts, numbers or truth values; or the names of the
            classes 0, 1, 2, ... in a list, as `datasets.ClassLabel.names` has them.

    Raises:
        ValueError: For an empty table, a label that is none, or a name that is no text.
    """
    if names is None:
        return None
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    table: dict[str, str] = {}
    if not isinstance(names, str):
        for label, name in pairs:
            key = _label_text(label)
            if not isinstance(key, str) or not isinstance(name, str) or not name.strip():
                raise ValueError(
                    f"label_names: {label!r} -> {name!r} is no label and its name; give texts, e.g. "
                    "{'0': '부정', '1': '긍정'}"
                )
            table[key.strip()] = name.strip()
    if not table:
        raise ValueError(
            f"label_names={names!r} names no class; give e.g. {{'0': '부정', '1': '긍정'}}"
        )
    return table
