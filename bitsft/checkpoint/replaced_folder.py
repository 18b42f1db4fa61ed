"""Writing a folder so that a kill or a full disk leaves the old one whole.

Everything is written beside the target, as `.<name>.<random>.incomplete`; only when all of it is there do the
two change names. On Linux that exchange is one system call (`renameat2` with RENAME_EXCHANGE), so there is
no moment without a whole folder under the target's name; elsewhere, and on file systems without it, there
are two renames with an instant between them.

Limits: a process killed by signal 9 leaves its incomplete folder behind (the next export to the same target
names it in the log); the power failing is not provided for (no fsync).
"""

import ctypes
import errno
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def replaced_folder(target: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """A new folder to write into; it takes the target's place when the block ends without an exception.

    Args:
        target: Where the result goes; missing parents are made.
        overwrite: Whether a target that holds files may be replaced, with everything in it.

    Yields:
        The folder to write into.

    Raises:
        FileExistsError: The target holds files and `overwrite` is False, or it is a file or a link, or it holds
            folders, which no export writes (a trainer's output folder with its checkpoints, say).
    """
    path = Path(target)
    _check_replaceable(path, overwrite)
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*.incomplete"):
        logger.warning(
            "%s was left by an export that did not finish; delete it if none is running.", leftover
        )
    fresh = path.parent / f".{path.name}.{uuid.uuid4().hex[:12]}.incomplete"
    fresh.mkdir()
    try:
        yield fresh
        _take_place_of(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # after the exchange these are the old files


def _check_replaceable(path: Path, overwrite: bool) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        kind = "a symbolic link" if path.is_symlink() else "a file"
        raise FileExistsError(f"{path} is {kind}; an export is a folder. Choose another name.")
    if not path.exists():
        return
    content = sorted(path.iterdir())
    if content and not overwrite:
        raise FileExistsError(
            f"{path} is not empty (it holds {content[0].name}); pass overwrite=True (--overwrite) to replace "
            "the whole folder, or choose another."
        )
    folders = [entry.name for entry in content if entry.is_dir()]
    if folders:
        raise FileExistsError(
            f"{path} holds folders ({', '.join(folders[:3])}), which replacing it would delete. Choose another "
            "folder, or empty this one first."
        )


def _take_place_of(fresh: Path, path: Path) -> None:
    if not path.exists() or not any(path.iterdir()):
        fresh.replace(path)  # rename(2) replaces an empty folder
        return
    if _exchange(fresh, path):
        return
    old = fresh.with_suffix(".replaced")
    path.rename(old)
    try:
        fresh.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Whether the two folders have changed names, in one step."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library without it
        return False
    failed = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # this file system cannot
        return False
    raise OSError(number, os.strerror(number), str(other))
