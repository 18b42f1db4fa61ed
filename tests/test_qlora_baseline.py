"""The QLoRA baseline, trained once with its recipe on a tiny model: base, adapters, merge, push, comparison."""

import contextlib
import io
import json
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from bitsandbytes.nn import Linear4bit
from bitsandbytes.optim import AdamW
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from trl import SFTTrainer

from bitsft import load_evaluation, replace_linear_with_bitlinear, save_ternary
from bitsft.cli import main
from bitsft.comparison.comparison import compare
from bitsft.data.demo import load_demo_rows
from bitsft.evaluation import load_model
from bitsft.runs import read_run
from bitsft.scratch import new_llama, train_tokenizer

ROOT = Path(__file__).parents[1]
LAYERS = 2
ADAPTED = {
    f"model.layers.{layer}.self_attn.{name}_proj" for layer in range(LAYERS) for name in "qkvo"
}
QUANTIZED = ADAPTED | {
    f"model.layers.{layer}.mlp.{name}_proj"
    for layer in range(LAYERS)
    for name in ("gate", "up", "down")
}


def run_example(*arguments: object) -> str:
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", ["qlora_baseline.py", *map(str, arguments)])
        runpy.run_path(str(ROOT / "examples/qlora_baseline.py"), run_name="__main__")
    return printed.getvalue()


@dataclass
class Trained:
    """What one run of the example left, on the disk and in memory."""

    dense: Path
    data: Path
    out: Path
    printed: str
    trainer: SFTTrainer
    pushed: list[tuple[str, str]]

    def module(self, name: str) -> Any:
        return self.trainer.model.base_model.model.get_submodule(name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("qlora")
    rows = [{**row, "task": "koalpaca"} for row in load_demo_rows("train_koalpaca")[:40]]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "raw.jsonl").write_text(text, "utf-8")
    tokenizer = train_tokenizer((row["instruction"] + row["output"] for row in rows), 400)
    new_llama(tokenizer, hidden_size=64, layers=LAYERS).save_pretrained(folder / "dense")
    tokenizer.save_pretrained(folder / "dense")

    trainers: list[SFTTrainer] = []
    pushed: list[tuple[str, str]] = []
    save_model = SFTTrainer.save_model

    def save_and_keep(self: SFTTrainer, *args: Any, **kwargs: Any) -> None:
        trainers.append(self)
        save_model(self, *args, **kwargs)

    def push(self: Any, repo_id: str, *, private: bool | None, token: str | None) -> None:
        assert private is True and token == "hf_test"
        pushed.append((type(self).__name__, repo_id))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SFTTrainer, "save_model", save_and_keep)
        patch.setattr(PreTrainedModel, "push_to_hub", push)
        patch.setattr(PreTrainedTokenizerBase, "push_to_hub", push)
        printed = run_example(
            *("--config", ROOT / "recipes/qlora.yaml", "--model_name_or_path", folder / "dense"),
            *("--source", folder / "raw.jsonl", "--data", folder / "data"),
            *("--output_dir", folder / "out", "--disable_tqdm", True, "--learning_rate", 0.05),
            *("--max_steps", 4, "--eval_steps", 2, "--logging_steps", 1, "--warmup_steps", 1),
            *("--gradient_accumulation_steps", 1, "--max_length", 128),
            *("--rows", 3, "--max_new_tokens", 4),
            *("--push_to_hub", True, "--hub_model_id", "me/qlora", "--hub_private_repo", True),
            *("--hub_token", "hf_test"),
        )
    yield Trained(folder / "dense", folder / "data", folder / "out", printed, trainers[-1], pushed)


def dense_weights(trained: Trained) -> dict[str, torch.Tensor]:
    return load_file(trained.dense / "model.safetensors")


def delta(trained: Trained, name: str) -> torch.Tensor:
    """alpha / r · B · A of a layer, from the saved adapter."""
    saved = load_file(trained.out / "adapter_model.safetensors")
    a, b = (saved[f"base_model.model.{name}.lora_{one}.weight"].float() for one in "AB")
    return 32 / 16 * (b @ a)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([[5, 6, 7, 8, 9]])).logits
    return found


def test_the_base_is_nf4_and_stays_what_it_was(trained: Trained) -> None:
    model = trained.trainer.model.base_model.model
    found = {n.removesuffix(".base_layer") for n, m in model.named_modules() if isinstance(m, Linear4bit)}  # fmt: skip
    assert found == QUANTIZED
    dense = dense_weights(trained)
    for name in QUANTIZED:
        layer = trained.module(name)
        layer = layer.base_layer if name in ADAPTED else layer
        state = layer.weight.quant_state
        assert layer.weight.dtype == torch.uint8 and layer.weight.numel() * 2 == state.shape.numel()
        assert (state.quant_type, state.nested, state.blocksize) == ("nf4", True, 64)
        assert layer.compute_dtype == torch.bfloat16 and not layer.weight.requires_grad
        # neither the training nor the evaluations before and within it have changed it
        again = quantize_4bit(
            dense[f"{name}.weight"].bfloat16(), quant_type="nf4", compress_statistics=True
        )
        assert torch.equal(dequantize_4bit(layer.weight, state), dequantize_4bit(*again))


def test_adapters_are_on_q_k_v_and_o_only(trained: Trained) -> None:
    model = trained.trainer.model
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    expected = {
        f"base_model.model.{name}.lora_{one}.default.weight" for name in ADAPTED for one in "AB"
    }
    assert trainable == expected
    config = model.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (16, 32, 0.05)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.bfloat16}


def test_every_adapter_has_learned(trained: Trained) -> None:
    for name in ADAPTED:
        assert delta(trained, name).abs().max() > 1e-3, name  # B starts at zero


def test_an_evaluation_leaves_the_gradients_as_they_are(trained: Trained) -> None:
    # On a CPU with AVX512-BF16, bitsandbytes 0.50 cuts them with the first forward without gradients.
    example = runpy.run_path(str(ROOT / "examples/qlora_baseline.py"), run_name="example")
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    base = AutoModelForCausalLM.from_pretrained(
        trained.dense, quantization_config=nf4, dtype="bfloat16"
    )
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    example["keep_gradients"](model)
    tokens = torch.tensor([[5, 6, 7, 8, 9]])

    def gradients() -> list[torch.Tensor]:
        model.train()
        model.zero_grad()
        model(tokens, labels=tokens).loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.requires_grad]

    before = gradients()
    logits(model.eval())
    after = gradients()
    assert len(before) == 4 * LAYERS and sum(g.abs().sum() > 0 for g in before) == 2 * LAYERS
    assert all(map(torch.equal, after, before))
    layers = [m for m in trained.trainer.model.modules() if isinstance(m, Linear4bit)]
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)


def test_the_recipe_is_what_was_trained_with(trained: Trained) -> None:
    args, optimizer = trained.trainer.args, trained.trainer.optimizer.optimizer
    assert args.optim == "paged_adamw_8bit" and args.lr_scheduler_type == "cosine" and args.bf16
    assert args.completion_only_loss is True
    assert type(optimizer) is AdamW and optimizer.is_paged and optimizer.args.optim_bits == 8
    first = trained.trainer.train_dataset[0]  # the prompt has no loss
    labels = first["labels"]
    prompt = trained.trainer.processing_class(first["prompt"])["input_ids"]
    assert labels[: len(prompt)] == [-100] * len(prompt)
    assert labels[len(prompt) :] == first["input_ids"][len(prompt) :]
    rates = [e["learning_rate"] for e in trained.trainer.state.log_history if "loss" in e]
    # one step of warm-up, then a quarter, a half of the cosine's three steps
    assert rates == pytest.approx([0.0, 0.05, 0.0375, 0.0125])


def test_tensorboard_has_losses_and_scores(trained: Trained) -> None:
    (folder,) = (trained.out / "runs").iterdir()
    seen: dict[str, set[int]] = {}
    for file in folder.iterdir():  # one of the training, one of the evaluation after it
        events = EventAccumulator(str(file)).Reload()
        for tag in events.Tags()["scalars"]:
            seen.setdefault(tag, set()).update(event.step for event in events.Scalars(tag))
    assert seen["train/loss"] == {1, 2, 3, 4}
    assert seen["eval/loss"] == seen["eval/rougeL"] == seen["eval/bleu"] == {0, 2, 4}


def test_merged_is_the_dense_base_and_the_delta(trained: Trained) -> None:
    dense, merged = dense_weights(trained), load_file(trained.out / "merged/model.safetensors")
    assert merged.keys() == dense.keys()
    by_hand = AutoModelForCausalLM.from_pretrained(trained.dense)
    for name in merged:
        layer = name.removesuffix(".weight")
        if layer not in ADAPTED:
            assert torch.equal(merged[name], dense[name]), name
            continue
        expected = dense[name] + delta(trained, layer)
        torch.testing.assert_close(merged[name], expected, atol=1e-6, rtol=1e-6)
        by_hand.get_submodule(layer).weight.data = expected
    loaded = AutoModelForCausalLM.from_pretrained(trained.out / "merged")
    assert getattr(loaded.config, "quantization_config", None) is None
    assert "peft_config" not in vars(loaded) and not (trained.out / "merged/adapter_config.json").exists()  # fmt: skip
    torch.testing.assert_close(logits(loaded), logits(by_hand), atol=1e-5, rtol=1e-5)
    untrained = AutoModelForCausalLM.from_pretrained(trained.dense)
    assert (logits(loaded) - logits(untrained)).abs().max() > 0.01


def test_it_speaks_and_is_pushed_merged_and_only_then(trained: Trained) -> None:
    assert "The merged model: ### 질문:" in trained.printed
    assert [repo for _, repo in trained.pushed] == ["me/qlora", "me/qlora"]
    assert trained.pushed[0][0] == "LlamaForCausalLM"
    assert trained.trainer.args.push_to_hub is False  # the adapter's checkpoints stay here


def test_its_record_stands_beside_that_of_a_ternary_training(trained: Trained) -> None:
    run = read_run(trained.out)
    assert (run.kind, run.status, run.result["steps"]) == ("train", "finished", 4)
    assert "hf_test" not in (trained.out / "run.json").read_text("utf-8")
    loss = run.scores["all"]["loss"]
    assert loss["before"] != loss["value"] and f"{loss['value']:.3f} after" in trained.printed


def test_eval_takes_the_adapter_over_the_dense_base(trained: Trained) -> None:
    loaded = load_model(trained.out)
    assert loaded.kind == "dense + adapter"
    merged = load_model(trained.out / "merged").model
    torch.testing.assert_close(logits(loaded.model), logits(merged), atol=1e-5, rtol=1e-5)


def test_compare_sets_it_beside_a_ternary_model_on_the_same_rows(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ternary = replace_linear_with_bitlinear(AutoModelForCausalLM.from_pretrained(trained.dense))
    save_ternary(ternary, tmp_path / "ternary")
    trained.trainer.processing_class.save_pretrained(tmp_path / "ternary")
    asked = ["--rows", "3", "--max-new-tokens", "4"]
    models = [str(tmp_path / "ternary"), str(trained.out / "merged")]
    status = main(
        ["compare", *models, str(trained.data), "--out", str(tmp_path / "c"), "--no-report", *asked]
    )
    assert status == 0, capsys.readouterr().err
    compared = json.loads((tmp_path / "c/comparison.json").read_text("utf-8"))
    assert len(compared["pairs"]) == 3 and "rougeL" in str(compared["table"])
    # the example asked the same rows in the same way
    merged = load_evaluation(trained.out / "evaluations/merged")
    beside = load_evaluation(tmp_path / "c/tuned")
    assert [a.prediction for a in merged.answers] == [a.prediction for a in beside.answers]
    assert merged.data["sha256"] == beside.data["sha256"] and merged.decoding == beside.decoding
    # and NF4 with the adapter can stand beside both
    nf4 = load_evaluation(trained.out / "evaluations/nf4")
    assert len(compare(nf4, beside).table["all"]) == len(compare(merged, beside).table["all"])


@pytest.mark.parametrize("missing", ["bitsandbytes", "tensorboard"])
def test_a_missing_extra_is_named_before_anything_is_loaded(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    remedy = {
        "bitsandbytes": r'pip install "bitsft\[qlora\]"',
        "tensorboard": r'pip install "bitsft\[tensorboard\]"; or pass --report_to none',
    }[missing]
    with pytest.raises(ImportError, match=remedy):
        run_example(
            *("--config", ROOT / "recipes/qlora.yaml", "--model_name_or_path", tmp_path / "none"),
            *("--data", tmp_path / "none", "--output_dir", tmp_path / "out"),
        )
    assert not (tmp_path / "out").exists()


def test_without_the_recipe_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_example("--data", tmp_path, "--output_dir", tmp_path / "out")
    assert "--config recipes/qlora.yaml" in capsys.readouterr().err
