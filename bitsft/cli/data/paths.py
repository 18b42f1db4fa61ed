"""No file that a verb writes may be one that it reads: it would be empty before its first row is read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bitsft.cli.parser import WrongUse


def refuse_shared_files(
    sources: Sequence[str], written: Mapping[str, Path | None], out: Mapping[str, Path | None]
) -> None:
    """Raise when two files are one: two that are written, or one that is read and one that is written.

    `--out` may be a source: it takes its place when it is complete.

    Args:
        sources: What is read. In a folder, all files but those of rejected rows are taken to be read.
        written: The files that are written line by line, by option.
        out: The file that is written whole, by option.

    Raises:
        WrongUse: For the first pair that is one file.
    """
    outputs = [(option, path) for option, path in {**out, **written}.items() if path is not None]
    for place, (option, path) in enumerate(outputs):
        for other_option, other in outputs[:place]:
            if _same(path, other):
                raise WrongUse(f"{option} and {other_option} are both {path}; name two files")
    for option, path in outputs:
        if option in out:
            continue
        for source in map(Path, sources):
            inside = source.is_dir() and path.exists() and _inside(path, source)
            if _same(path, source) or (inside and not path.name.endswith("rejected.jsonl")):
                raise WrongUse(f"{option} {path} is a file that is read; name another one")


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _inside(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents
