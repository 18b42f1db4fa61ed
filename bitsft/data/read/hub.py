"""Data sets of the Hugging Face Hub and objects of `datasets`, a batch of rows at a time.

Naming a Hub id is the one case that uses the network. With `streaming=True` rows are read while they are
downloaded. Values that JSON has no form for are changed as plain_values.py says.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bitsft.data.fields import shorten
from bitsft.data.read.faults import Fault, Row, UnreadableFileError, first_line, value_fault
from bitsft.data.read.plain_values import NoPlainFormError, columns_to_change, plain_value

_BATCH = 1000  # rows
_KINDS = ("Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict")


def read_hub(name: str, split: str, config: str | None, streaming: bool) -> Iterator[Row | Fault]:
    """Yield the rows of a part of a Hub data set.

    Args:
        name: `"owner/name"`.
        split: The part, e.g. `"train"`.
        config: The configuration; None for the default one.
        streaming: Read while downloading.

    Raises:
        UnreadableFileError: When it cannot be loaded.
    """
    from datasets import load_dataset

    more = {"streaming": True} if streaming else {}
    try:
        dataset = load_dataset(name, config, split=split, **more)
    except (OSError, ValueError, RuntimeError) as error:
        raise UnreadableFileError(
            name,
            "the Hub data set cannot be loaded",
            f"split={split!r}, config={config!r}: {error}",
            "Check its name, the split and the config on the Hub, and the network",
        ) from error
    yield from read_dataset(dataset, name)


def is_dataset(source: object) -> bool:
    """Whether this is an object of `datasets`; it is not imported for that."""
    return any(
        kind.__module__.partition(".")[0] == "datasets" and kind.__name__ in _KINDS
        for kind in type(source).__mro__
    )


def pick_split(source: Any, split: str | None) -> Any:
    """Return the named part of a `DatasetDict`, and any other object as it is.

    Raises:
        ValueError: When there is no such part, or none is named and there is no `"train"`.
    """
    if not isinstance(source, Mapping):
        if split is not None:
            raise ValueError(
                f"split={split!r} does not apply to a {type(source).__name__}; leave it out"
            )
        return source
    names = list(source)
    if split is None and len(names) == 1:
        split = names[0]
    if (split or "train") not in names:
        raise ValueError(
            f"the {type(source).__name__} has no split {split or 'train'!r}. "
            f"Name one of {names}, e.g. split={names[0]!r}"
            if names
            else "the DatasetDict is empty"
        )
    return source[split or "train"]


def read_dataset(dataset: Any, source: str) -> Iterator[Row | Fault]:
    """Yield the rows of a `Dataset` or `IterableDataset`, or of any iterable of rows.

    Args:
        dataset: The rows.
        source: The data set's name; "" for one from memory.

    Raises:
        UnreadableFileError: When it breaks before its first row.
    """
    import pyarrow as pa

    number = -1
    change: list[str] | None = None
    if is_dataset(dataset):
        dataset = dataset.with_format(None)
        if dataset.features is not None:
            change = columns_to_change(dataset.features.arrow_schema)
    try:
        for number, row in enumerate(_rows_of(dataset)):
            yield _plain(row, number, change)
    except (OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        message = first_line(error)
        remedy = "Repair the data set, or read the rows before that one only"
        if number < 0:
            raise UnreadableFileError(
                source or "the data set", "cannot be read", message, remedy
            ) from error
        yield Fault(
            reason="the data set breaks off; the rest is not read",
            place=f"row {number + 1}",
            said=f"the data set breaks off ({message}); the rest is not read",
            remedy=remedy,
            detail=message,
            ends=True,
        )


def _rows_of(dataset: Any) -> Iterable[Any]:
    if not is_dataset(dataset):
        yield from dataset
        return
    for batch in dataset.iter(_BATCH):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))


def _plain(row: Any, number: int, change: list[str] | None) -> Row | Fault:
    if not isinstance(row, Mapping):
        return Fault(
            reason="is not a mapping of column names to values",
            place=f"row {number}",
            said=f"{shorten(row)} is not a mapping of column names to values",
            remedy="Give each row as a dict",
            value=shorten(row),
        )
    try:
        if change is None:
            return {name: plain_value(value) for name, value in row.items()}
        plain = dict(row)
        for name in change:
            plain[name] = plain_value(plain[name])
    except NoPlainFormError as error:
        return value_fault(number, str(error))
    return plain
