"""What tells one base model from another, and the run behind it."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from bitsft.runs import base_model, describe_model, runs_behind
from bitsft.runs.base_model import file_identity, weights_hash

from .conftest import MakeRun


def test_a_model_in_memory(tiny_llama: LlamaForCausalLM) -> None:
    before = describe_model(tiny_llama)
    assert before["class"] == "LlamaForCausalLM" and before["name"] is None
    assert before["parameters"] == tiny_llama.num_parameters()
    tiny_llama.config._name_or_path = "somewhere/else"
    after = describe_model(tiny_llama)
    assert after["config_sha256"] == before["config_sha256"], "where it came from is no config"
    assert after["name"] == "somewhere/else"
    with torch.no_grad():
        tiny_llama.model.layers[1].mlp.up_proj.weight[3, 3] += 1e-6
    assert describe_model(tiny_llama)["weights_sha256"] != before["weights_sha256"]


def test_hashing_leaves_the_random_state(tiny_llama: LlamaForCausalLM) -> None:
    state = torch.get_rng_state()
    describe_model(tiny_llama)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_sample_of_large_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "_SAMPLED_VALUES", 4)
    tensor = torch.arange(10, dtype=torch.bfloat16)
    first = weights_hash([("a", tensor)], sample=True)
    tensor[1] = 5  # values 0, 3, 6, 9 are taken
    assert weights_hash([("a", tensor)], sample=True) == first
    tensor[3] = 5
    assert weights_hash([("a", tensor)], sample=True) != first
    assert weights_hash([("a", tensor)], True) != weights_hash([("b", tensor)], True)


def test_a_folder(tiny_llama: LlamaForCausalLM, tmp_path: Path) -> None:
    tiny_llama.save_pretrained(tmp_path / "m")
    found = describe_model(tmp_path / "m")
    assert list(found["files"]) == ["model.safetensors"]
    loaded = LlamaForCausalLM.from_pretrained(tmp_path / "m")
    both = describe_model(loaded, str(tmp_path / "m"))
    assert both["files"] == found["files"] and len(both["weights_sha256"]) == 64
    assert both["folder_config_sha256"] == found["folder_config_sha256"]
    assert describe_model("org/name") == {
        "name": "org/name",
        "why": "no folder here; perhaps the id of a model",
    }


def test_blocks_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "_WHOLE_FILE", 10)
    monkeypatch.setattr(base_model, "_BLOCK", 4)
    monkeypatch.setattr(base_model, "_BLOCKS", 3)
    file = tmp_path / "w.bin"
    content = bytearray(range(40))
    file.write_bytes(content)
    first = file_identity(file)
    for place, same in ((0, False), (10, True), (19, False), (39, False)):
        content[place] ^= 255
        file.write_bytes(content)
        assert (file_identity(file) == first) is same, place
        content[place] ^= 255


def test_the_run_behind_a_model(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("out")
    (tmp_path / "out" / "checkpoint-5").mkdir()
    for path in (tmp_path / "out", tmp_path / "out" / "checkpoint-5"):
        assert runs_behind(str(path)) == [
            {"role": "base model", "id": run.id, "name": "out", "folder": str(path)}
        ]
    assert runs_behind("org/name") == runs_behind(tmp_path) == []
    make_run("scored", kind="eval")
    assert runs_behind(tmp_path / "scored") == [], "an evaluation made no model"
    shutil.copy(tmp_path / "out" / "run.json", tmp_path / "scored" / "run.train.json")
    assert runs_behind(tmp_path / "scored")[0]["id"] == run.id
