"""What is different here now, and what cannot be known here."""

from pathlib import Path

import pytest
from transformers import LlamaForCausalLM

from bitsft.runs import describe_data, describe_model
from bitsft.runs.check import check_run
from bitsft.runs.machine import code_state, hardware, installed_versions

from .conftest import MakeRun


def verdicts(*runs: object) -> dict[str, str]:
    return {one.what: one.verdict for run in runs for one in check_run(run)}  # type: ignore[arg-type]


def test_as_it_was(make_run: MakeRun, tmp_path: Path, tiny_llama: LlamaForCausalLM) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "manifest.json").write_text("{}")
    tiny_llama.save_pretrained(tmp_path / "model")
    run = make_run(
        data=[
            describe_data(tmp_path / "a.csv", "file"),
            describe_data(tmp_path / "splits", "file"),
            {"role": "eval", "name": str(tmp_path / "a.csv"), "sha256": "of rows", "rows": 1,
             "files": [{"name": "a.csv", **describe_data(tmp_path / "a.csv")}]},
        ],
        base_model=describe_model(tiny_llama, str(tmp_path / "model")),
        versions=dict(installed_versions()),
        hardware=hardware(),
        code=code_state(tmp_path),
    )  # fmt: skip
    assert set(verdicts(run).values()) == {"same"}

    (tmp_path / "a.csv").write_text("b\n")
    (tmp_path / "splits" / "manifest.json").unlink()
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"vocab_size"', '"size"'))
    weights = tmp_path / "model" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    run.versions = {**run.versions, "torch": "1.0", "gone": "2"}
    found = {one.what: one for one in check_run(run)}
    assert found[f"data: {tmp_path / 'a.csv'}"].verdict == "different"
    assert found[f"data: {tmp_path / 'splits'}"].verdict == "different"
    model = found[f"base model: {tmp_path / 'model'}"]
    assert model.said == "changed since: model.safetensors, config.json"
    assert found["versions.torch"].said.startswith("was 1.0, is ")
    assert found["versions.gone"].said == "was 2, is not here"


def test_what_cannot_be_known(make_run: MakeRun) -> None:
    found = verdicts(make_run(data=[{"role": "train", "rows_sha256": "x"}, {"role": "eval", "name": "no/file", "sha256": "x", "bytes": 1}, {"role": "eval", "name": "org/rows", "sha256": "x", "files": []}]))  # fmt: skip
    names = ("data: train", "data: no/file", "data: org/rows")
    assert [found[name] for name in names] == ["unknown"] * 3
    assert found["base model: org/base"] == "unknown"
    away = make_run(base_model={"name": "no/folder", "files": {"a": "b"}}, data=[])
    assert verdicts(away)["base model: no/folder"] == "unknown"


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        ({"commit": "a", "changed": False}, {"commit": "a", "changed": False}, "same"),
        ({"commit": "a", "changed": False}, {"commit": "b", "changed": False}, "different"),
        ({"commit": "a", "changed": False}, {"commit": "a", "changed": True}, "different"),
        ({"commit": "a", "changed": False}, {}, "different"),
        ({"commit": "a", "changed": True}, {"commit": "a", "changed": True}, "unknown"),
    ],
)
def test_code(
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    then: dict,
    now: dict,
    verdict: str,  # type: ignore[type-arg]
) -> None:
    monkeypatch.setattr("bitsft.runs.check.code_state", lambda: now)
    assert verdicts(make_run(code=then))["code"] == verdict
