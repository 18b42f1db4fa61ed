"""TRL's test data sets as local folders that `load_dataset` reads in the Hub's place.

TRL makes the data with scripts in its own repository (`scripts/generate_*_dataset.py`), which push
to the Hub. They are run from the user's checkout with `push_to_hub` redirected to parquet files and
a card (README.md) whose YAML head names configs and splits, the layout that `load_dataset` takes
for a folder as for a Hub id. The image data is noise drawn by NumPy: the seed is fixed here.
"""

import json
import random
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from datasets import DatasetDict

ORGANIZATION = "trl-internal-testing"
# script in the checkout -> data set that it pushes
DATASET_SCRIPTS = {
    "generate_zen_dataset.py": "zen",
    "generate_zen_image_dataset.py": "zen-image",
    "generate_toolcall_dataset.py": "toolcall",
    "generate_harmony_dataset.py": "harmony",
}


def build_datasets(scripts: Path, hub: Path) -> list[str]:
    """Run the checkout's data set scripts into `hub`; returns every string in the data, sorted.

    Raises:
        FileNotFoundError: When one of the scripts is missing; the message names it.
    """
    texts: set[str] = set()
    for script, name in DATASET_SCRIPTS.items():
        path = scripts / script
        if not path.is_file():
            raise FileNotFoundError(
                f"no {path}: the data sets are made by the scripts of huggingface/trl; give "
                "--trl-tests the `tests` folder of a complete checkout"
            )
        folder = hub / ORGANIZATION / name
        with saved_instead_of_pushed(folder, texts), fixed_seeds():
            runpy.run_path(str(path))["main"](0.1, True, f"{ORGANIZATION}/{name}")
    return sorted(texts)


@contextmanager
def fixed_seeds() -> Iterator[None]:
    """Seed Python's, NumPy's and torch's generators; put their states back on leaving."""
    states = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@contextmanager
def saved_instead_of_pushed(folder: Path, texts: set[str]) -> Iterator[None]:
    """Inside, `DatasetDict.push_to_hub` writes parquet to `folder` and adds its strings to `texts`."""
    configs: list[str] = []

    def save(dataset: DatasetDict, repo_id: str, config_name: str) -> None:
        configs.append(config_name)
        (folder / config_name).mkdir(parents=True)
        for split, rows in dataset.items():
            if "tools" in rows.column_names:
                # The Hub's copy holds JSON strings here (the tests call json.loads on them).
                tools = [json.dumps(tool) for tool in rows["tools"]]
                rows = rows.remove_columns("tools").add_column("tools", tools)
            if "image" not in rows.column_names and "images" not in rows.column_names:
                texts.update(strings(rows[:]))
            rows.to_parquet(folder / config_name / f"{split}.parquet")

    with mock.patch.object(DatasetDict, "push_to_hub", save):
        yield
    (folder / "README.md").write_text(dataset_card(configs), encoding="utf-8")


def dataset_card(configs: list[str]) -> str:
    """The README whose YAML head tells `load_dataset` which files make which config and split."""
    lines = ["---", "configs:"]
    for name in configs:
        lines += [f"- config_name: {name}", "  data_files:"]
        for split in ("train", "test"):
            lines += [f"  - split: {split}", f"    path: {name}/{split}.parquet"]
    return "\n".join([*lines, "---", ""])


def strings(value: object) -> Iterator[str]:
    """Every string inside nested lists and dicts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
