import re
from pathlib import Path

import yaml

from bitsft.data.ledger import Ledger
from bitsft.data.split import split_records, write_split

ROWS = [
    {"task": "classification", "text": f"글 {n}", "label": "좋|다" if n % 2 else "<싫다>"}
    for n in range(100)
]


def card_of(folder: Path, **options) -> tuple[dict, str]:
    ledger = Ledger()
    split = split_records([*ROWS, 7], method="exact", ledger=ledger)
    write_split(split, folder, ledger=ledger, **options)
    text = (folder / "dataset_card.md").read_text("utf-8")
    header = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert header is not None
    return yaml.safe_load(header[1]), text


def test_header(tmp_path: Path) -> None:
    header, text = card_of(tmp_path, name='영화평 "1": 감상', licence="cc0-1.0")
    assert header == {
        "pretty_name": '영화평 "1": 감상',
        "language": ["ko"],
        "license": "cc0-1.0",
        "size_categories": ["n<1K"],
        "task_categories": ["text-classification"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "train.parquet"},
                    {"split": "validation", "path": "validation.parquet"},
                    {"split": "test", "path": "test.parquet"},
                ],
            }
        ],
    }
    assert "LICENCE" not in text


def test_an_open_licence_is_a_mark_to_be_filled_in(tmp_path: Path) -> None:
    header, text = card_of(tmp_path)
    assert header["license"] == "LICENCE-TO-BE-FILLED-IN"
    assert "**Licence: `LICENCE-TO-BE-FILLED-IN`.** Write the licence" in text


def test_tables(tmp_path: Path) -> None:
    _, text = card_of(tmp_path, settings={"clean": {"repeats": 3}, "note": "가"})
    lines = text.splitlines()
    for line in (
        "100 rows; tasks: classification.",
        "| train | train.parquet | 80 | 80 | 80.00% | 80.00% |",
        "| question | 0 | 0 | 0 |",
        r"| 좋\|다 | 40 (50.0%) | 5 (50.0%) | 5 (50.0%) |",
        r"| classification: \<싫다> | 40.0, 40 | 5.0, 5 | 5.0, 5 |",
        "| train | question | 4 | 4 | 4 |",
        "101 rows in + 0 added = 100 out + 1 rejected.",
        "| read |  | is not a mapping of column names to values | 1 |",
        "| clean | repeats | 3 |",
        '| note |  | "가" |',
        '| split | method | "exact" |',
    ):
        assert line in lines, line
