"""Which tasks of lm-evaluation-harness a list of names means, and where the local ones lie."""

import difflib
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bitsft.evaluation.standard_tasks.task_files import is_task_folder, write_task_files

LOCAL = "local:"


def resolve_folders(
    tasks: Sequence[str], task_folders: Sequence[str | os.PathLike[str]], stack: ExitStack
) -> tuple[list[str], list[str]]:
    """Turn `local:FOLDER` into names, writing task files where there are none yet.

    Args:
        tasks: Names as the user gave them.
        task_folders: Folders with task files.
        stack: Removes the task files that are written here when it closes.

    Returns:
        Names for the harness, and the folders in which it finds the local ones.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: As `write_task_files`.
    """
    names, folders = [], []
    for folder in task_folders:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: there is no such folder of task files")
        folders.append(str(folder))
    for task in tasks:
        if not task.startswith(LOCAL):
            names.append(task)
            continue
        folder = Path(task.removeprefix(LOCAL))
        if not folder.is_dir():
            raise FileNotFoundError(f"{task}: there is no such folder")
        if is_task_folder(folder):
            names += sorted(path.stem for path in folder.glob("*.yaml"))
        else:
            written = stack.enter_context(tempfile.TemporaryDirectory())
            names += write_task_files(folder, written)
            folder = Path(written)
        folders.append(str(folder))
    return names, folders


def load_tasks(names: list[str], folders: list[str]) -> Any:
    """Load tasks by their names.

    Args:
        names: Of tasks, groups or tags; wildcards work.
        folders: Where tasks lie besides those of the harness.

    Returns:
        What `TaskManager.load` returns, and the manager.

    Raises:
        ValueError: There is no task of that name.
        ConnectionError: Its rows are on the Hub, which cannot be reached.
    """
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=folders or None, include_defaults=False)
    if not all(manager.match_tasks([name]) for name in names):
        manager = TaskManager(include_path=folders or None)  # 14,000 names take some seconds
    found: list[str] = []
    for name in names:
        matches = manager.match_tasks([name])
        if not matches:
            near = difflib.get_close_matches(name, manager.all_tasks, n=3)
            hint = f"did you mean {', '.join(near)}? " if near else ""
            raise ValueError(
                f"there is no task {name!r}: {hint}`lm_eval ls tasks` lists those of the harness; tasks of your "
                f"own need their folder ({LOCAL}FOLDER, or task_folders)"
            )
        found += [match for match in matches if match not in found]
    try:
        return manager.load(found), manager
    except (ConnectionError, OSError) as error:
        if isinstance(error, FileNotFoundError) and not _about_the_hub(error):
            raise
        raise ConnectionError(
            f"{', '.join(names)}: reads its rows from the Hugging Face Hub, which did not give them ({error}). "
            "Run it once with a connection (the rows are then cached; unset HF_HUB_OFFLINE), or make task files "
            "from rows of your own with write_task_files and name them as local:FOLDER"
        ) from error


def _about_the_hub(error: BaseException) -> bool:
    return any(word in str(error) for word in ("Hub", "offline", "huggingface"))
