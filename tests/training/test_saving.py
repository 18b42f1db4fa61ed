"""What the trainer writes and pushes: packed, loadable without bitsft, with a card."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from .conftest import MakeTrainer, number_rows

STOCK = """
import sys
sys.modules["bitsft"] = None
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
expected = load_file(sys.argv[2])
with torch.no_grad():
    logits = model(expected["ids"]).logits
print((logits - expected["logits"]).abs().max().item() / expected["logits"].abs().max().item())
print(tokenizer.decode(expected["ids"][0]))
"""


@pytest.mark.parametrize("bf16", [False, True])
def test_the_saved_model_is_the_trained_model(
    make_trainer: MakeTrainer,
    tmp_path: Path,
    tiny_tokenizer: PreTrainedTokenizerFast,
    bf16: bool,
) -> None:
    trainer = make_trainer(max_steps=6, bf16=bf16)
    trainer.train()
    folder = tmp_path / "saved"
    trainer.save_model(str(folder))
    ids = tiny_tokenizer("### 질문: 3 다음 수는?", return_tensors="pt").input_ids
    with torch.no_grad():
        logits = trainer.model.eval()(ids).logits
    save_file({"ids": ids, "logits": logits.contiguous()}, tmp_path / "expected.safetensors")
    (tmp_path / "stock.py").write_text(STOCK)
    result = subprocess.run(
        [sys.executable, tmp_path / "stock.py", folder, tmp_path / "expected.safetensors"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
    )
    error, text = result.stdout.splitlines()
    assert float(error) < 1e-6
    assert text == "### 질문: 3 다음 수는?"


def test_saving_in_the_middle_keeps_the_latents(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(keep_latent_weights=True)
    trainer.train()
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.save_model(str(tmp_path / "saved"))
    assert all(torch.equal(t, before[n]) for n, t in trainer.model.state_dict().items())
    assert (
        load_file(tmp_path / "saved" / "model.safetensors")[
            "model.layers.0.mlp.up_proj.weight"
        ].dtype
        == torch.uint8
    )


def test_the_card_says_what_was_trained_and_how_to_load_it(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer(
        max_steps=3,
        eval_strategy="steps",
        eval_steps=3,
        trainer={"eval_dataset": number_rows(5)},
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "my-model"))
    card = ModelCard.load(tmp_path / "my-model" / "README.md")
    assert {"bitsft", "bitnet", "trl", "sft"} <= set(card.data.tags)
    text = card.text
    assert text.strip().startswith("# my-model")
    assert "26,624 ternary weights in 14 layers" in text
    assert "16 train rows, 5 eval rows" in text
    assert "are -1, 0 or +1 times one scale per matrix." in text
    assert "3 optimizer steps" in text
    assert "| learning_rate | 0.005 |" in text
    assert "| eval_loss |" in text
    assert 'AutoModelForCausalLM.from_pretrained("path/to/my-model")' in text


def test_the_card_says_where_each_row_has_a_scale(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    make_trainer(granularity="row").create_model_card()
    text = ModelCard.load(tmp_path / "run" / "README.md").text
    assert "are -1, 0 or +1 times one scale per row." in text
    assert "| granularity | row |" in text


def test_an_adapter_card_says_where_it_belongs(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    from peft import LoraConfig

    trainer = make_trainer(trainer={"peft_config": LoraConfig(r=4, target_modules=["q_proj"])})
    trainer.save_model(str(tmp_path / "adapter"))
    trainer.create_model_card(dataset_name="someone/rows", tags="korean")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()
    card = ModelCard.load(tmp_path / "run" / "README.md")
    assert card.data.library_name == "peft" and card.data.datasets == ["someone/rows"]
    assert "korean" in card.data.tags
    assert "Do not merge it" in card.text
    assert "`bitsft.merge_to_ternary` makes one ternary model of both" in card.text


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> mock.MagicMock:
    """The Hub's API, replaced where Trainer takes it from (which changed within transformers 5)."""
    api = mock.MagicMock()
    api.create_repo.return_value.repo_id = "me/ternary"
    if "hf_api" in vars(transformers.trainer):
        monkeypatch.setattr("transformers.trainer.hf_api", lambda: api)
    else:
        monkeypatch.setattr("transformers.trainer.create_repo", api.create_repo)
        monkeypatch.setattr("transformers.trainer.upload_folder", api.upload_folder)
    return api


def uploaded_weight_dtype(folder: str) -> torch.dtype:
    return load_file(Path(folder) / "model.safetensors")["model.layers.0.mlp.up_proj.weight"].dtype


def test_push_to_hub_uploads_the_packed_model(
    make_trainer: MakeTrainer, hub: mock.MagicMock
) -> None:
    trainer = make_trainer(hub_model_id="me/ternary")
    trainer.train()
    trainer.push_to_hub(dataset_name="me/rows")
    folder = hub.upload_folder.call_args.kwargs["folder_path"]
    assert uploaded_weight_dtype(folder) == torch.uint8
    card = ModelCard.load(Path(folder) / "README.md")
    assert 'from_pretrained("me/ternary")' in card.text and card.data.datasets == ["me/rows"]


def test_pushes_while_training_upload_the_packed_model_too(
    make_trainer: MakeTrainer, hub: mock.MagicMock, tmp_path: Path
) -> None:
    seen: list[torch.dtype] = []
    hub.upload_folder.side_effect = lambda **kw: (
        seen.append(uploaded_weight_dtype(kw["folder_path"])) or mock.MagicMock()
    )
    trainer = make_trainer(
        push_to_hub=True, hub_model_id="me/ternary", save_strategy="steps", save_steps=2
    )
    trainer.train()
    assert seen == [torch.uint8] * 2, "one upload for each of the two checkpoints"
    latent = uploaded_weight_dtype(str(tmp_path / "run" / "checkpoint-2"))
    assert latent == torch.float32, "the checkpoint itself still resumes exactly"
