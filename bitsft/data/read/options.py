"""`Options`: what the caller says about the form of the data, checked before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Options:
    """The options of `read_records` that depend on the kind of source; None means not given."""

    header: Sequence[str] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quoted: bool | None = None
    rows_under: str | None = None
    split: str | None = None
    config: str | None = None
    streaming: bool | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError(
                f"delimiter={self.delimiter!r} cannot separate fields. "
                "Give one character, e.g. ',' or '\\t'"
            )
        if self.header is not None and (
            isinstance(self.header, str)
            or not self.header
            or not all(isinstance(name, str) for name in self.header)
        ):
            raise ValueError(
                f"header={self.header!r} must be a list of the columns' names, e.g. ['q', 'a']"
            )
        if self.rows_under is not None and not all(self.rows_under.split(".")):
            raise ValueError(
                f"rows_under={self.rows_under!r} must be the keys that lead to the list of rows, "
                "joined by dots, e.g. 'data.items'"
            )

    def given(self) -> list[str]:
        """The names of the options that were given."""
        return [option.name for option in fields(self) if getattr(self, option.name) is not None]
