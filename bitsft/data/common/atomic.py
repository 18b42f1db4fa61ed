"""`atomic_path`: a file is there whole, or as it was before.

The content goes to a hidden file in the same folder, `.NAME.XXXXXXXX.part`, which takes the place of
the old file in one step (`os.replace`, atomic on POSIX) once it is complete and on the disk.

Limits: what fails or is interrupted leaves nothing behind; a process that is killed (SIGKILL, power)
can leave the hidden file, which may be deleted.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to; when the block ends well, that file becomes `path`.

    Args:
        path: The file to be. Missing folders above it are made. Where it is a symbolic link, the
            file that it points to is replaced.

    Raises:
        ValueError: When it is a folder, or something that is no folder stands above it.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ValueError(f"{path}: is a folder; give the name of a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            f"{path}: {error.filename} is a file, not a folder; choose another path"
        ) from error
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
