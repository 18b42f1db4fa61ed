"""The comparison within a model card (README.md): its own marked section, and the Hub's `model-index`.

The section stands between two comments on lines of their own. Where they are there already, what is between them is
replaced, wherever the user has moved it; otherwise it is added at the end. Doing it twice changes nothing, and nothing
outside the section is touched.

`model-index` is what the Hub shows beside a model (https://huggingface.co/docs/hub/model-cards#evaluation-results):
the tuned model's values. Entries of other data and other metrics stay as they are.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.words import is_detail, metric_title
from bitsft.data.common.atomic import atomic_path

BEGIN = "<!-- bitsft compare: begin -->"
END = "<!-- bitsft compare: end -->"
_SECTION = re.compile(
    rf"^{re.escape(BEGIN)}[ \t]*\r?$.*?^{re.escape(END)}[ \t]*(?=\r?$)", re.MULTILINE | re.DOTALL
)


def check_model_card(path: str | os.PathLike[str]) -> None:
    """Refuse what is no model card, before the work.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not UTF-8, or has one of the two comments only.
    """
    text = _read(Path(path))
    begins, ends = (
        len(re.findall(rf"^{re.escape(mark)}[ \t]*\r?$", text, re.MULTILINE))
        for mark in (BEGIN, END)
    )
    if (begins, ends) not in ((0, 0), (1, 1)) or (begins and not _SECTION.search(text)):
        raise ValueError(
            f"{path}: the lines {BEGIN} ({begins}) and {END} ({ends}) must occur once each, in this order, or not at "
            "all. Delete those that are left over"
        )


def write_section(path: str | os.PathLike[str], section: str) -> None:
    """Put a section into a model card, in place of the one that was written before.

    Args:
        path: The card, e.g. `model/README.md`.
        section: Markdown, as `comparison_as_markdown` makes it.

    Raises:
        FileNotFoundError, ValueError: As `check_model_card`.
    """
    check_model_card(path)
    old = _read(Path(path))
    line_end = "\r\n" if "\r\n" in old else "\n"
    marked = f"{BEGIN}\n{section.strip()}\n{END}".replace("\n", line_end)
    if _SECTION.search(old):
        new = _SECTION.sub(lambda match: marked, old)
    else:
        before = old.rstrip()
        new = f"{before}{line_end * 2 if before else ''}{marked}{line_end}"
    with atomic_path(path) as part:
        part.write_bytes(new.encode("utf-8"))


def write_model_index(path: str | os.PathLike[str], comparison: Comparison) -> None:
    """Put the tuned model's values into the `model-index` of a model card.

    Details (precision, recall, n-gram orders, classes) are left to the table, and values that are not finite are left
    out. Of local data the name is published, not the folders; a data set of the Hub keeps its id.

    Args:
        path: The card. Its front matter is written anew by huggingface_hub; what stands there stays.
        comparison: What `compare` made.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When its front matter cannot be read.
    """
    from huggingface_hub import EvalResult, metadata_load, metadata_save
    from huggingface_hub.repocard_data import (
        eval_results_to_model_index,
        model_index_to_eval_results,
    )

    path = Path(path)
    _read(path)
    metadata = metadata_load(path) or {}
    name, results = path.resolve().parent.name or "model", []
    if metadata.get("model-index"):
        name, results = model_index_to_eval_results(metadata["model-index"])
    data = _published_name(comparison.tuned.data)
    lines = {
        (data if key == "all" else f"{data} ({key})", line.metric): line.tuned
        for key, part in comparison.table.items()
        for line in part
        if not is_detail(line.metric)
    }
    new = [
        EvalResult(
            task_type="text-generation",
            dataset_type=data,
            dataset_name=dataset_name,
            metric_type=metric,
            metric_name=metric_title(metric),
            metric_value=round(value, 4),
        )
        for (dataset_name, metric), value in lines.items()
        if math.isfinite(value)  # the Hub's JSON knows no NaN
    ]
    kept = [one for one in results if (one.dataset_name, one.metric_type) not in lines]
    if not (kept or new or results):
        return
    metadata["model-index"] = eval_results_to_model_index(name, [*kept, *new])
    with atomic_path(path) as part:
        part.write_bytes(path.read_bytes())
        metadata_save(part, metadata)


def _published_name(data: Mapping[str, Any]) -> str:
    """The data's name without folders, which say where on whose machine it lay; a Hub id whole."""
    name = str(data.get("name", ""))
    if data.get("split") and not data.get(
        "files"
    ):  # only data of the Hub have a split and no files
        return name
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return last if last.strip(".") else "data"


def _read(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: there is no such model card. Give the README.md of the model's folder"
        )
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8, at byte {error.start}. Save it as UTF-8") from error
