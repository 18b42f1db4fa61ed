import json
from pathlib import Path

import pytest

from bitsft.data.split.manifest import (
    as_json,
    hashed,
    input_entries,
    read_manifest,
    verify_manifest,
    versions,
)


def test_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert hashed(path) == {
        # FIPS 180-2, appendix B.1
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "bytes": 3,
    }


def test_inputs_are_named_from_the_folder_they_share(tmp_path: Path) -> None:
    for name in ("raw/a.csv", "raw/sub/a.csv", "raw/documents.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    sources = {
        str(tmp_path / "raw/sub/a.csv"): 2,
        str(tmp_path / "raw/a.csv"): 3,
        "owner/name": 4,
        "/gone/b.csv": 5,
        "": 6,
    }
    entries = input_entries(sources, [tmp_path / "raw/documents.txt"])
    assert [(entry["name"], entry["rows_kept"]) for entry in entries] == [
        ("a.csv", 3),
        ("b.csv", 5),
        ("documents.txt", 0),
        ("owner/name", 4),
        ("sub/a.csv", 2),
    ]
    assert entries[0] | {"rows_kept": 0} == {
        "name": "a.csv",
        "rows_kept": 0,
        **hashed(tmp_path / "raw/a.csv"),
    }
    assert str(tmp_path) not in str(entries)
    with pytest.raises(FileNotFoundError, match="inputs names .*gone.txt, which is no file"):
        input_entries({}, [tmp_path / "gone.txt"])


def test_versions() -> None:
    assert {"bitsft", "pyarrow", "pydantic", "python"} <= set(versions())
    assert "hypothesis" in versions(["hypothesis"])
    with pytest.raises(
        ValueError, match="packages names 'no-such-package', which is not installed"
    ):
        versions(["no-such-package"])


def test_settings_without_a_form_in_json() -> None:
    with pytest.raises(
        ValueError, match=r"settings cannot be written to manifest.json: .*function"
    ):
        as_json({"settings": {"clean": {"hook": as_json}}})
    with pytest.raises(ValueError, match="cannot be written"):
        as_json({"settings": {"x": float("nan")}})


def folder_with(tmp_path: Path, manifest: object) -> Path:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return tmp_path


def test_verify_names_the_file_that_changed(tmp_path: Path) -> None:
    for name in ("train.jsonl", "test.jsonl", "card.md"):
        (tmp_path / name).write_text(name)
    names = ["train.jsonl", "test.jsonl", "card.md"]
    entries = [{"name": name, **hashed(tmp_path / name)} for name in names]
    folder_with(tmp_path, {"manifest": 1, "outputs": entries})
    assert verify_manifest(tmp_path) == []
    (tmp_path / "train.jsonl").write_text("train.jsonl and more")
    (tmp_path / "test.jsonl").write_text("tset.jsonl")
    (tmp_path / "card.md").unlink()
    assert verify_manifest(tmp_path) == [
        "train.jsonl was changed: 11 bytes were written, 20 are there",
        "test.jsonl was changed: 10 bytes were written, 10 are there, and they differ",
        "card.md is missing",
    ]


@pytest.mark.parametrize(
    "manifest", [{}, [], {"manifest": 2}, {"manifest": 1}, {"manifest": 1, "outputs": [3]}]
)
def test_files_that_are_no_manifest(tmp_path: Path, manifest: object) -> None:
    with pytest.raises(ValueError, match="is no manifest of form 1|does not list its outputs"):
        read_manifest(folder_with(tmp_path, manifest))


def test_broken_and_missing_manifests(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="so this is no folder of splits"):
        verify_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="is no JSON"):
        verify_manifest(tmp_path)
    (tmp_path / ".incomplete").write_text("train.jsonl\n")
    with pytest.raises(ValueError, match="a run was stopped while it wrote here"):
        verify_manifest(tmp_path)
