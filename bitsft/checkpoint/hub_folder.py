"""`model_folder`: a folder as it is, a Hub id as the folder its files were downloaded to.

A download takes two steps from one commit: first configs and code, then the weights that are meant, those of the
index where there is one, else model.safetensors. So no second form of the weights in the repository is fetched,
and none is mistaken for them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from bitsft.checkpoint.files import INDEX_FILE, SINGLE_FILE


def model_folder(
    path_or_hub_id: str | os.PathLike[str],
    *,
    revision: str | None = None,
    beside: Sequence[str] = (),
    **download: Any,
) -> Path:
    """Find the folder of a model; only what is no path here, and can be a Hub id, uses the network.

    Args:
        path_or_hub_id: What exists, is absolute, starts with a dot or has two slashes is a path.
        revision: Branch, tag or commit on the Hub.
        beside: Patterns of the files to download besides configs, code and weights, e.g. `("*.jinja",)`.
        **download: More for `snapshot_download`, e.g. `token`.

    Returns:
        The folder. A path is not looked into, nor does it have to exist.

    Raises:
        FileNotFoundError: It is no path, and no model of that name could be fetched.
    """
    path = Path(path_or_hub_id)
    hub_id = str(path_or_hub_id)
    if path.exists() or path.is_absolute() or hub_id.startswith(".") or hub_id.count("/") > 1:
        return path
    try:
        folder = Path(
            snapshot_download(
                hub_id, revision=revision, allow_patterns=["*.json", "*.py", *beside], **download
            )
        )
        commit = folder.name  # both downloads from one state of the repository
        weights = [SINGLE_FILE]
        if (folder / INDEX_FILE).is_file():
            weights = ["model-*.safetensors"]
        snapshot_download(hub_id, revision=commit, allow_patterns=weights, **download)
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    ) as error:
        raise FileNotFoundError(
            f"{hub_id!r} is no folder here, and no model of that name could be fetched from the Hugging Face Hub: {error}"
        ) from error
    return folder
