import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import load_dataset

from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.split import Split, split_records, verify_manifest, write_split
from bitsft.data.split.lock import only_writer
from bitsft.data.write import write_records


def records(source: str = "") -> list[Record]:
    rows: list[dict] = [
        {"task": "koalpaca", "instruction": f"질문 {n}", "output": "답"} for n in range(150)
    ]
    rows += [
        {
            "task": "qa",
            "question": f"물음 {n}",
            "context": f"문서 {n // 3}",
            "answers": ["가", "나"],
        }
        for n in range(150)
    ]
    return [Record(row, source, n) for n, row in enumerate(rows)]


def split_and_ledger(source: str = "", **options) -> tuple[Split, Ledger]:
    ledger = Ledger()
    ledger.count_in(300)
    return split_records(records(source), ledger=ledger, **options), ledger


def write(folder: Path, **options) -> dict:
    split, ledger = split_and_ledger()
    return write_split(split, folder, ledger=ledger, **options)


def test_the_folder_holds_what_the_manifest_says(tmp_path: Path) -> None:
    split, ledger = split_and_ledger()
    manifest = write_split(
        split,
        tmp_path / "out",
        ledger=ledger,
        settings={"clean": {"repeats": 3}},
        licence="mit",
        findings={"duplicates": {"exact": 2}},
    )
    ledger.check_balance()
    names = ["train.parquet", "validation.parquet", "test.parquet", "dataset_card.md"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*names, "manifest.json"]
    )
    assert [entry["name"] for entry in manifest["outputs"]] == names
    assert json.loads((tmp_path / "out/manifest.json").read_text("utf-8")) == manifest
    assert verify_manifest(tmp_path / "out") == []
    assert sum(entry.get("rows", 0) for entry in manifest["outputs"]) == 300
    assert manifest["counts"]["rows_out"] == 300
    assert sum(each["tasks"]["qa"] for each in manifest["splits"].values()) == 150
    assert manifest["duplicates"] == {"exact": 2}
    assert manifest["settings"]["clean"] == {"repeats": 3}
    assert manifest["settings"]["split"]["method"] == "hash"
    assert len(manifest["leaks"]["shared"]) == 9  # three kinds, three pairs of splits
    assert all(leak["rows"] == 0 for leak in manifest["leaks"]["shared"])


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_datasets_loads_it_offline(tmp_path: Path, format) -> None:
    folder, cache = tmp_path / "out", str(tmp_path / "cache")
    # Lines with other columns are read by datasets from 4.8 on; Parquet has all columns in all rows.
    rows_of = [r for r in records("") if format == "parquet" or r.values["task"] == "qa"]
    ledger = Ledger()
    split = split_records(rows_of, ledger=ledger)
    write_split(split, folder, ledger=ledger, format=format)
    kind = "json" if format == "jsonl" else "parquet"
    files = {name: str(folder / f"{name}.{format}") for name in split.names}
    for loaded in (
        load_dataset(str(folder), cache_dir=cache),
        load_dataset(kind, data_files=files, cache_dir=cache),
    ):
        assert {name: part.num_rows for name, part in loaded.items()} == split.report.rows
        rows = {name: list(part) for name, part in loaded.items()}
        for name in split.names:
            expected = [record.values for record in split.records(name)]
            assert [
                {k: v for k, v in row.items() if v is not None} for row in rows[name]
            ] == expected


SCRIPT = """
import sys
from pathlib import Path
from bitsft.data.ledger import Ledger
from bitsft.data.records import Record
from bitsft.data.split import split_records, write_split

path, out, format = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with Ledger() as ledger:
    ledger.count_in(300)
    rows = [
        Record({"task": "classification", "text": f"글 {n}", "label": str(n % 3)}, str(path), n)
        for n in range(300)
    ]
    split = split_records(rows, ledger=ledger)
    write_split(split, out, ledger=ledger, format=format, inputs=[path.parent / "more.txt"])
"""


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, format: str) -> None:
    found = []
    for name, seed in (("one", "1"), ("another", "2")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.csv").write_text("가")
        (folder / "more.txt").write_text("나")
        command = [sys.executable, "-c", SCRIPT, folder / "a.csv", folder / "out", format]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        found.append({path.name: path.read_bytes() for path in (folder / "out").iterdir()})
    assert found[0] == found[1]
    manifest = found[0]["manifest.json"].decode("utf-8")
    assert str(tmp_path) not in manifest
    assert [entry["name"] for entry in json.loads(manifest)["inputs"]] == ["a.csv", "more.txt"]


def test_a_stopped_run_is_recognised_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, format="jsonl")
    with monkeypatch.context() as patch:
        patch.setattr("bitsft.data.split.folder.dataset_card", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write(tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    with pytest.raises(ValueError, match="a run was stopped while it wrote here"):
        verify_manifest(tmp_path)
    write(tmp_path)
    assert verify_manifest(tmp_path) == []
    assert not list(tmp_path.glob("*.jsonl"))
    assert not (tmp_path / ".incomplete").exists()


def test_an_earlier_run_is_replaced_with_all_its_files(tmp_path: Path) -> None:
    write(tmp_path, format="jsonl")
    split, ledger = split_and_ledger(ratios={"train": 0.5, "held_out": 0.5})
    write_split(split, tmp_path, ledger=ledger)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dataset_card.md",
        "held_out.parquet",
        "manifest.json",
        "train.parquet",
    ]


def test_what_is_not_of_its_making_is_refused_and_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("남기기")
    (tmp_path / "train.parquet").write_text("다른 것")
    with pytest.raises(ValueError, match=r"holds notes.txt, train.parquet, which no earlier run"):
        write(tmp_path)
    assert (tmp_path / "train.parquet").read_text() == "다른 것"
    write(tmp_path, overwrite=True)
    assert verify_manifest(tmp_path) == []
    assert (tmp_path / "notes.txt").read_text() == "남기기"


def test_files_of_other_stages_are_moved_in_and_listed(tmp_path: Path) -> None:
    part = tmp_path / ".rejected.jsonl.part"
    with Ledger(part) as ledger:
        split = split_records([*(record.values for record in records()), 7], ledger=ledger)
    (tmp_path / ".train.parquet.0a1b.part").write_text("of a run that was killed")
    write_split(split, tmp_path, ledger=ledger, moved={"rejected.jsonl": part})
    ledger.check_balance()
    assert (tmp_path / "rejected.jsonl").read_text("utf-8").count("\n") == 1
    assert not list(tmp_path.glob(".*"))
    (tmp_path / "rejected.jsonl").write_text("")
    assert "rejected.jsonl" in str(verify_manifest(tmp_path))
    write(tmp_path, overwrite=True)
    assert not (tmp_path / "rejected.jsonl").exists(), "an earlier run's"


def test_files_may_stand_beside_those_of_an_earlier_run_only(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(ValueError, match=r"holds report.html, which no earlier run wrote"):
        write(tmp_path)
    write(tmp_path, overwrite=True)
    write(tmp_path)
    (tmp_path / "kept.csv").write_text("")
    with pytest.raises(ValueError, match="holds kept.csv, which"):
        write(tmp_path)
    write(tmp_path, beside=["report.html", "kept.csv"])
    assert (tmp_path / "report.html").read_text() == "mine"


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with only_writer(tmp_path), pytest.raises(ValueError, match="another run is writing here"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_was_edited_is_not_lost(tmp_path: Path) -> None:
    write(tmp_path)
    card = tmp_path / "dataset_card.md"
    card.write_text(card.read_text("utf-8").replace("LICENCE-TO-BE-FILLED-IN", "mit"), "utf-8")
    with pytest.raises(ValueError, match=r"dataset_card.md was changed: .* or overwrite=True"):
        write(tmp_path)
    (tmp_path / "test.parquet").unlink()  # what is missing is no reason to stop
    write(tmp_path, overwrite=True)
    assert verify_manifest(tmp_path) == []


def test_another_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(ValueError, match=r"is no manifest of form 1. overwrite=True replaces it"):
        write(tmp_path)
    write(tmp_path, overwrite=True)
    assert verify_manifest(tmp_path) == []


def test_a_file_in_its_place_and_bad_arguments(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file: is a file; give the name of a folder"):
        write(tmp_path / "file")
    with pytest.raises(ValueError, match="format='csv' is not known"):
        write(tmp_path / "out", format="csv")
    with pytest.raises(ValueError, match="the settings cannot be written"):
        write(tmp_path / "out", settings={"clean": {"path": Path("a")}})
    with pytest.raises(
        ValueError, match="findings names 'leaks', which is a part of every manifest"
    ):
        write(tmp_path / "out", findings={"leaks": {}})
    assert not (tmp_path / "out").exists()


def test_rows_that_parquet_cannot_hold_leave_the_old_folder(tmp_path: Path) -> None:
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    mixed = [{"text": n if n == 40 else "글", "film": n} for n in range(60)]
    ledger = Ledger()
    split = split_records(mixed, group_by="film", method="exact", ledger=ledger)
    with pytest.raises(ValueError, match="row 40, column 'text': holds"):
        write_split(split, tmp_path, ledger=ledger)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert ledger.rows_out == 0
    write_split(split, tmp_path, ledger=ledger, format="jsonl")
    leaks = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["leaks"]["shared"]
    assert {"column 'film'", "row"} <= {leak["kind"] for leak in leaks}


def test_parts_can_be_written_one_by_one(tmp_path: Path) -> None:
    split, ledger = split_and_ledger()
    for name in split.names:
        write_records(split.records(name), tmp_path / f"{name}.jsonl", ledger=ledger)
    ledger.check_balance()
    lines = {path.stem: path.read_bytes().count(b"\n") for path in tmp_path.iterdir()}
    assert lines == split.report.rows
