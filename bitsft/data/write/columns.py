"""`Columns`: what the columns of a table hold, seen row by row -> a schema for Parquet.

| JSON | Parquet |
|---|---|
| text | string |
| integer within 64 bits | int64 |
| number, or integers up to 2^53 among numbers | double |
| true, false | bool |
| list | list of what its elements are |
| object | struct with all names that occur; a name that a row lacks is null there |
| null | null in a column of any type |

A column holds one type; a second one is an error that names the row. The columns of a known task
(`tasks.py`) that no row fills are there all the same, as text, lists of texts or messages, so that all
files of a task have one schema. So is any other column that no row fills, as text.

Limits: a struct without any name has no form in Parquet, so `{}` becomes null.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from bitsft.data.fields import shorten
from bitsft.data.records import Record
from bitsft.data.tasks import TASKS

if TYPE_CHECKING:
    import pyarrow

# A type is a name of _PLAIN, a tuple of one type (a list of it), or a dict of names and types.
_Type: TypeAlias = "str | tuple[_Type, ...] | dict[str, _Type]"
_NOTHING, _TEXT, _BOOLEAN, _NUMBER = "nothing", "text", "boolean", "number"
_INTEGER, _BIG_INTEGER = "integer", "integer beyond 2^53"
_EXACT_AS_DOUBLE = 2**53

_MESSAGES: _Type = ({"role": _TEXT, "content": _TEXT},)
_DECLARED: dict[tuple[str, str], _Type] = {
    ("raft", "context"): (_TEXT,),
    ("qa", "answers"): (_TEXT,),
    ("dialogue", "messages"): _MESSAGES,
}


class _MixedTypesError(Exception):
    """Two types that no column has room for."""


@dataclass
class Columns:
    """The columns seen so far."""

    types: dict[str, _Type] = field(default_factory=dict)
    tasks: set[str] = field(default_factory=set)
    _first: dict[str, str] = field(default_factory=dict)

    def observe(self, record: Record) -> None:
        """Take note of a row's columns.

        Raises:
            ValueError: When a column holds another type than in the rows before, or an integer that
                64 bits have no room for; with row, column and value.
        """
        types = self.types
        for name, value in record.values.items():
            known = types.get(name)
            if type(value) is str and known == _TEXT:
                if name == "task" and value in TASKS:
                    self.tasks.add(value)
                continue
            try:
                found = _type_of(value)
                types[name] = found if known is None else _merge(known, found)
            except _MixedTypesError as error:
                raise ValueError(self._mixed(record, name, value, str(error))) from error
            except OverflowError as error:
                raise ValueError(
                    f"{record}, column {name!r}: {shorten(value)} holds an integer beyond 64 bits. "
                    "Turn it into text first"
                ) from error
            if found != _NOTHING:
                self._first.setdefault(name, str(record))
            if name == "task" and isinstance(value, str) and value in TASKS:
                self.tasks.add(value)

    def schema(self) -> "pyarrow.Schema":
        """The schema: `task`, `id`, the columns of the tasks, then others as they appeared."""
        import pyarrow

        declared = {
            column: _DECLARED.get((name, column), _TEXT)
            for name in TASKS
            if name in self.tasks
            for column in TASKS[name].columns
        }
        order = [name for name in ("task", "id") if name in self.types]
        names = dict.fromkeys((*order, *declared, *self.types))
        return pyarrow.schema(
            [
                (name, _arrow(_known(self.types.get(name, _NOTHING), declared.get(name, _TEXT))))
                for name in names
            ]
        )

    def has_empty_objects(self) -> bool:
        """Whether an object without any name is all that some place ever holds."""
        return any(_holds_empty_object(kind) for kind in self.types.values())

    def _mixed(self, record: Record, name: str, value: Any, what: str) -> str:
        return (
            f"{record}, column {name!r}: {what} (first in {self._first.get(name, 'this row')}), in "
            f"{shorten(value)}. A column of a Parquet file holds one type: turn one into the other, "
            "give the rows of each task a file of their own, or write .jsonl"
        )


def without_empty_objects(value: Any) -> Any:
    """Return the value with None in place of each object without a name."""
    if isinstance(value, Mapping):
        return {name: without_empty_objects(part) for name, part in value.items()} or None
    if isinstance(value, list):
        return [without_empty_objects(part) for part in value]
    return value


def _type_of(value: Any) -> _Type:
    if value is None or (isinstance(value, float) and value != value):
        return _NOTHING
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise OverflowError
        return _INTEGER if abs(value) <= _EXACT_AS_DOUBLE else _BIG_INTEGER
    if isinstance(value, float):
        return _NUMBER
    if isinstance(value, Mapping):
        return {name: _type_of(part) for name, part in value.items()}
    return (_merge_all(_type_of(part) for part in value),)


def _merge_all(kinds: Iterable[_Type]) -> _Type:
    merged: _Type = _NOTHING
    for kind in kinds:
        merged = _merge(merged, kind)
    return merged


def _merge(one: _Type, other: _Type) -> _Type:
    """The type of a column that holds both."""
    if one == other or other == _NOTHING:
        return one
    if one == _NOTHING:
        return other
    if isinstance(one, tuple) and isinstance(other, tuple):
        return (_merge(one[0], other[0]),)
    if isinstance(one, dict) and isinstance(other, dict):
        names = dict.fromkeys((*one, *other))
        return {name: _merge(one.get(name, _NOTHING), other.get(name, _NOTHING)) for name in names}
    for wide, narrow in ((_NUMBER, _INTEGER), (_BIG_INTEGER, _INTEGER)):
        if {wide, narrow} == {str(one), str(other)}:
            return wide
    raise _MixedTypesError(f"holds {_said(other)} where others hold {_said(one)}")


def _said(kind: _Type) -> str:
    if isinstance(kind, tuple):
        return "a list"
    if isinstance(kind, dict):
        return "an object"
    return ("an " if kind[0] in "aeiou" else "a ") + kind


def _known(seen: _Type, declared: _Type) -> _Type:
    """The type seen, or the one declared where the values leave it open."""
    is_open = seen in (_NOTHING, {}) or (seen == (_NOTHING,) and isinstance(declared, tuple))
    return declared if is_open else seen


def _holds_empty_object(kind: _Type) -> bool:
    if isinstance(kind, tuple):
        return _holds_empty_object(kind[0])
    if isinstance(kind, dict):
        return not kind or any(map(_holds_empty_object, kind.values()))
    return False


def _arrow(kind: _Type) -> "pyarrow.DataType":
    import pyarrow

    if isinstance(kind, tuple):
        return pyarrow.list_(_arrow(kind[0]))
    if isinstance(kind, dict):
        if not kind:
            return pyarrow.string()
        return pyarrow.struct([(name, _arrow(part)) for name, part in kind.items()])
    return {
        _NOTHING: pyarrow.string(),
        _TEXT: pyarrow.string(),
        _BOOLEAN: pyarrow.bool_(),
        _INTEGER: pyarrow.int64(),
        _BIG_INTEGER: pyarrow.int64(),
        _NUMBER: pyarrow.float64(),
    }[kind]
