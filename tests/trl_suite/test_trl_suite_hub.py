"""The folders that stand in for the Hub: they load by their ids, and are the same each time."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import trl_suite_datasets
import trl_suite_models
from datasets import Image, load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = ["Beautiful is better than ugly.", "Explicit is better than implicit.", "한국어도 된다."]

DATASET_SCRIPT = """
import numpy as np
from datasets import Dataset, Features, Image, Value

def main(test_size, push_to_hub, repo_id):
    rows = Dataset.from_dict({columns})
    assert test_size == 0.1 and push_to_hub
    rows.train_test_split(test_size=test_size, shuffle=False).push_to_hub(repo_id, config_name="c")
"""
TEXT_COLUMNS = '{"text": ["One.", "Two."]}'
TOOL_COLUMNS = (
    '{"text": ["One.", "Two."], "tools": [[{"a": 1}], [{"b": "x"}]]}, on_mixed_types="use_json"'
)
IMAGE_COLUMNS = (
    '{"image": [np.random.uniform(0, 255, (4, 4, 3)).astype(np.uint8)] * 2}, '
    'features=Features({"image": Image()})'
)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A `scripts` folder like a checkout's, with two rows in each data set."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for script, name in trl_suite_datasets.DATASET_SCRIPTS.items():
        columns = {"zen-image": IMAGE_COLUMNS, "toolcall": TOOL_COLUMNS}.get(name, TEXT_COLUMNS)
        (folder / script).write_text(DATASET_SCRIPT.replace("{columns}", columns))
    return folder


def test_datasets_load_by_their_hub_ids(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (
        random.getstate(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),
        torch.get_rng_state().tolist(),
    )
    texts = trl_suite_datasets.build_datasets(scripts, tmp_path / "hub")
    after = (
        random.getstate(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),
        torch.get_rng_state().tolist(),
    )
    assert texts == ["One.", "Two.", '[{"a": 1}]', '[{"b": "x"}]']
    assert before == after

    monkeypatch.chdir(tmp_path / "hub")
    cache = str(tmp_path / "cache")
    zen = load_dataset("trl-internal-testing/zen", "c", cache_dir=cache)
    assert {split: rows[:] for split, rows in zen.items()} == {
        "train": {"text": ["One."]},
        "test": {"text": ["Two."]},
    }
    tools = load_dataset("trl-internal-testing/toolcall", "c", split="train", cache_dir=cache)
    assert json.loads(tools[0]["tools"]) == [{"a": 1}]
    images = load_dataset("trl-internal-testing/zen-image", "c", split="test", cache_dir=cache)
    assert images.features["image"] == Image()


def test_a_checkout_without_scripts_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="generate_zen_dataset.py.*complete checkout"):
        trl_suite_datasets.build_datasets(tmp_path / "scripts", tmp_path / "hub")


@pytest.mark.parametrize("name", sorted(trl_suite_models.TINY_MODELS))
def test_each_tiny_model_loads_and_runs(name: str, tmp_path: Path) -> None:
    spec = trl_suite_models.TINY_MODELS[name]
    trl_suite_models.build_model(tmp_path / name, spec, TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / name)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / name, dtype="float32")
    assert model.config.model_type == spec.model_type
    assert tokenizer.eos_token == spec.tokenizer.eos
    assert (tokenizer.chat_template is not None) == (spec.tokenizer.template is not None)
    inputs = tokenizer(TEXTS[2], return_tensors="pt")["input_ids"]
    assert tokenizer.decode(inputs[0]) == TEXTS[2]
    with torch.no_grad():
        logits = model(input_ids=inputs).logits
    assert logits.shape == (1, inputs.shape[1], len(tokenizer))
    assert bool(torch.isfinite(logits).all())


def test_models_are_the_same_each_time_and_leave_the_generators_alone(tmp_path: Path) -> None:
    spec = trl_suite_models.TINY_MODELS["tiny-Qwen2ForCausalLM-2.5"]
    before = torch.get_rng_state()
    for folder in ("first", "second"):
        trl_suite_models.build_model(tmp_path / folder, spec, TEXTS)
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_remote_code_model_needs_consent(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "configuration_remote.py").write_text(
        "from transformers import LlamaConfig\n"
        "class RemoteConfig(LlamaConfig):\n    model_type = 'remote'\n"
    )
    (code / "modeling_remote.py").write_text(
        "from transformers import LlamaForCausalLM\n"
        "from .configuration_remote import RemoteConfig\n"
        "class RemoteForCausalLM(LlamaForCausalLM):\n    config_class = RemoteConfig\n"
    )
    folder = tmp_path / "tiny"
    spec = trl_suite_models.TINY_MODELS["tiny-RemoteForCausalLM"]
    trl_suite_models.build_model(folder, spec, TEXTS)
    trl_suite_models.add_remote_code(folder, code)
    with pytest.raises(ValueError, match="custom code"):
        AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False)
