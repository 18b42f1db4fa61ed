"""The content hash of rows depends on the rows alone; files and folders are known by their bytes."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.runs.contents import describe_data, files_named, rows_hash

ROWS: list[dict[str, Any]] = [
    {"text": "가나", "ids": [1, 2], "meta": {"a": "x", "b": 1.5}, "n": 3},
    {"text": None, "ids": [], "meta": {"a": None, "b": 2.0}, "n": 4},
    {"text": "", "ids": None, "meta": None, "n": None},
    {"text": "다", "ids": [3], "meta": {"a": "y", "b": None}, "n": 5},
]


def test_the_hash_of_one_column_by_hand() -> None:
    def number(value: int) -> bytes:
        return value.to_bytes(8, "little")

    expected = number(2)  # rows of the batch
    expected += number(1) + b"t"  # the column's name
    expected += b"\x01\x00"  # the second is missing
    expected += number(4) + b"text" + number(3) + number(0) + "가".encode()
    found = rows_hash(Dataset.from_dict({"t": ["가", None]}))
    assert found == hashlib.sha256(expected).hexdigest()


def test_how_rows_are_stored_does_not_matter() -> None:
    whole = Dataset.from_list(ROWS)
    expected = rows_hash(whole)
    halves = concatenate_datasets(
        [Dataset.from_list(ROWS[:2], whole.features), whole.select([2, 3])]
    )
    assert rows_hash(halves) == expected
    assert rows_hash(whole.select([3, 2, 1, 0]).select([3, 2, 1, 0])) == expected
    assert rows_hash(whole.select_columns(["n", "meta", "ids", "text"])) == expected
    assert rows_hash(whole.cast_column("n", Value("int32"))) == expected
    assert rows_hash(whole.cast_column("text", Value("large_string"))) == expected


def test_more_rows_than_a_batch_in_other_chunks() -> None:
    rows = [{"a": str(n), "b": [n] * (n % 3)} for n in range(2500)]
    whole = Dataset.from_list(rows)
    parts = concatenate_datasets([Dataset.from_list(rows[:7]), Dataset.from_list(rows[7:])])
    assert rows_hash(whole) == rows_hash(parts) != rows_hash(whole.select(range(2499)))


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(0, "text", "가나 "), (0, "ids", [2, 1]), (1, "text", ""), (2, "ids", []), (3, "n", 6),
     (0, "meta", {"a": "x", "b": 1.25}), (2, "meta", {"a": None, "b": None})],
)  # fmt: skip
def test_every_value_matters(row: int, column: str, value: Any) -> None:
    features = Dataset.from_list(ROWS).features
    changed = [dict(one) for one in ROWS]
    changed[row][column] = value
    assert rows_hash(Dataset.from_list(changed, features)) != rows_hash(Dataset.from_list(ROWS))


def test_order_and_names_matter() -> None:
    whole = Dataset.from_list(ROWS)
    assert rows_hash(whole.select([1, 0, 2, 3])) != rows_hash(whole)
    assert rows_hash(whole.rename_column("n", "m")) != rows_hash(whole)
    one = Dataset.from_dict({"a": ["ab", "c"]})
    assert rows_hash(one) != rows_hash(Dataset.from_dict({"a": ["a", "bc"]}))


def test_labels_dates_and_bytes() -> None:
    labels = Dataset.from_dict({"y": [0, 1]}, Features({"y": ClassLabel(names=["부정", "긍정"])}))
    assert rows_hash(labels) == rows_hash(Dataset.from_dict({"y": [0, 1]}))
    table = pa.table({"when": pa.array([0, 1], pa.timestamp("s")), "b": [b"a", b"b"]})
    other = pa.table({"when": pa.array([0, 2], pa.timestamp("s")), "b": [b"a", b"b"]})
    assert rows_hash(Dataset(table)) != rows_hash(Dataset(other))
    coded = pa.table({"a": pa.array(["x", "y", "x"]).dictionary_encode()})
    assert rows_hash(Dataset(coded)) == rows_hash(Dataset.from_dict({"a": ["x", "y", "x"]}))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "t": st.none() | st.text(st.characters(codec="utf-8")),
                "l": st.none() | st.lists(st.integers(-(2**40), 2**40), max_size=3),
                "f": st.none() | st.floats(allow_nan=False),
            }
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 8),
)
def test_any_rows_cut_anywhere(rows: list[dict[str, Any]], cut: int) -> None:
    features = Features(
        {
            "t": Value("string"),
            "l": Dataset.from_dict({"l": [[1]]}).features["l"],
            "f": Value("float64"),
        }
    )
    whole = Dataset.from_list(rows, features)
    at = min(cut, len(rows))
    parts = [Dataset.from_list(part, features) for part in (rows[:at], rows[at:]) if part]
    assert rows_hash(concatenate_datasets(parts)) == rows_hash(whole)


def test_descriptions(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{}\n")
    sha = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"
    assert describe_data(file, "eval") == {
        "role": "eval",
        "name": str(file),
        "sha256": sha,
        "bytes": 3,
    }
    rows = describe_data([{"a": "가"}], "train", "손으로")
    assert (rows["name"], rows["rows"], rows["columns"]) == ("손으로", 1, ["a"])
    assert rows["rows_sha256"] == rows_hash(Dataset.from_list([{"a": "가"}]))
    complete = {"role": "eval", "sha256": "x"}
    assert describe_data(complete) == complete
    assert describe_data("org/rows")["why"].startswith("no file here")
    assert describe_data(3)["why"] == "not described: int"
    assert "not described: Arrow" in describe_data([{"a": 1}, {"a": "x"}])["why"]


def test_a_prepared_folder_is_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"{}\n")
    assert describe_data(tmp_path)["manifest_sha256"].startswith("ca3d163bab05")


def test_files_that_a_command_names(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a\n")
    (tmp_path / "c.yaml").write_text("learning_rate: 2.0e-3\nhub_token: s\ncolumns: 가=나\n")
    command = [
        "--data",
        str(tmp_path / "r.csv"),
        f"--config={tmp_path / 'c.yaml'}",
        "--lr",
        "3",
        "\0",
    ]
    data, config = files_named([*command, str(tmp_path), str(tmp_path / "r.csv")])
    assert (data["role"], data["name"], data["bytes"]) == ("file", str(tmp_path / "r.csv"), 2)
    assert config["values"] == {"learning_rate": 0.002, "columns": "가=나"}
