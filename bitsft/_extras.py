"""Optional dependencies: imported at use, and named with the line to type when they are missing."""

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of bitsft brings it.

    Args:
        module: The name to import, e.g. `"sentence_transformers"`.
        extra: The extra in `pyproject.toml` that installs it, e.g. `"cosine"`.

    Raises:
        ImportError: When the module is not installed; the message holds the `pip install` line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there, but one of its own imports is broken: not ours to explain
        raise ImportError(
            f'This needs the package {module!r}, which is not installed: pip install "bitsft[{extra}]"'
        ) from error
