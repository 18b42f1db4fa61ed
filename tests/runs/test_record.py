"""The file: what is written is read; what is no record is refused with its name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.runs import RunRecord, read_run, write_run

from .conftest import MakeRun


def test_written_and_read(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(notes=["괜찮다"], result={"scores": {"all": {"x": {"value": 1.0}}}})
    found = read_run(tmp_path / "out")
    assert found == run
    assert found.path == tmp_path / "out" / "run.json"
    assert found.scores == {"all": {"x": {"value": 1.0}}}


def test_keys_of_a_later_version_are_kept(make_run: MakeRun, tmp_path: Path) -> None:
    file = make_run().path
    assert file is not None
    file.write_text(json.dumps({**json.loads(file.read_text()), "energy": 3}))
    run = read_run(file)
    write_run(run)
    assert json.loads(file.read_text())["energy"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": 2}, "has form 2, this version reads 1"),
        ({"kind": "dream"}, "'dream', which is none of train, eval, compare"),
        ({"status": None}, '"status" is NoneType, not str'),
        ({"data": ["x"]}, '"data" holds an entry that is no object'),
        ({"notes": [1]}, '"notes" holds an entry that is no text'),
        ({"settings": []}, '"settings" is list, not dict'),
        ({"seed": "1"}, '"seed" is str, not int'),
        ({"result": {"scores": {"all": 1}}}, "scores that are not task -> metric -> value"),
    ],
)
def test_damaged_records(
    make_run: MakeRun, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    file = tmp_path / "out" / "run.json"
    make_run()
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match=message) as error:
        read_run(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[1]", b'{"a": 1}', b"[" * 100_000])
def test_files_that_are_no_records(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"run\.json: is (no JSON|not the record)"):
        read_run(tmp_path)


def test_missing(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run was recorded here"):
        read_run(tmp_path)
    record = make_run()
    record.path = None
    with pytest.raises(ValueError, match="give a path"):
        write_run(record)
    values = json.loads((tmp_path / "out" / "run.json").read_text())
    del values["id"]
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match='has no "id"'):
        read_run(tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)  # fmt: skip
_OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8")), _JSON)


@settings(max_examples=40, deadline=None)
@given(
    name=st.text(st.characters(codec="utf-8")),
    values=_OBJECTS,
    data=st.lists(_OBJECTS),
    notes=st.lists(st.text(st.characters(codec="utf-8"))),
)
def test_any_content_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    values: dict[str, Any],
    data: list[dict[str, Any]],
    notes: list[str],
) -> None:
    record = RunRecord("i", "eval", name, "failed", "now", settings=values, data=data, notes=notes)
    folder = tmp_path_factory.mktemp("any")
    write_run(record, folder / "run.json")
    assert read_run(folder) == record
