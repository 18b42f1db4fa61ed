"""`sub_norms=True`: inserted, calibrated, trained, resumed, and saved in a form that stock transformers loads."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import BitNetForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft import insert_sub_norms, load_ternary, save_ternary, verify
from bitsft.ternary import ternary_layers
from bitsft.training.sub_norms import calibrate_on_dataset

from .conftest import MakeTrainer
from .test_invariants import KillAfter, Killed
from .test_saving import STOCK

NORMS = [
    f"model.layers.{i}.{part}.weight"
    for i in (0, 1)
    for part in ("self_attn.attn_sub_norm", "mlp.ffn_sub_norm")
]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: model.get_parameter(name).detach().clone() for name in NORMS}


def test_the_trained_model_loads_in_stock_transformers_to_the_bit(
    make_trainer: MakeTrainer, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    trainer = make_trainer(sub_norms=True, max_steps=6)
    start = weights(trainer.model)
    trainer.train()
    assert all(not torch.equal(start[n], w) for n, w in weights(trainer.model).items())
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0]
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
    assert float(result.stdout.splitlines()[0]) < 1e-6
    loaded = load_ternary(folder)
    assert type(loaded) is BitNetForCausalLM and len(ternary_layers(loaded)) == 14
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, logits)


def test_it_goes_into_gguf_which_holds_sub_norms_with_silu(
    make_trainer: MakeTrainer, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    from gguf import GGUFReader

    trainer = make_trainer(sub_norms=True, max_steps=1)
    trainer.train()
    save_ternary(
        trainer.model, tmp_path / "gguf", "gguf", gguf_type="F16", tokenizer=tiny_tokenizer
    )
    reader = GGUFReader(tmp_path / "gguf" / "model-F16.gguf")
    assert reader.fields["general.architecture"].contents() == "bitnet"
    tensors = {tensor.name: torch.tensor(tensor.data) for tensor in reader.tensors}
    trained = trainer.model.model.layers[1].mlp.ffn_sub_norm.weight.detach()
    assert torch.equal(tensors["blk.1.ffn_sub_norm.weight"], trained)
    assert "blk.0.attn_sub_norm.weight" in tensors
    with pytest.raises(ValueError, match=r'hidden_act is .silu.*format="gguf"'):
        save_ternary(trainer.model, tmp_path / "i2_s", "i2_s", tokenizer=tiny_tokenizer)


def test_every_safetensors_format_agrees_with_the_model(
    make_trainer: MakeTrainer, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    trainer = make_trainer(sub_norms=True, max_steps=1)
    trainer.train()
    trainer.save_model(str(tmp_path / "packed"))
    report = verify(trainer.model.eval(), tmp_path / "packed", ["서울은 수도이다."], progress=False)
    assert report.passed
    for format in ("latent", "dense"):
        save_ternary(tmp_path / "packed", tmp_path / format, format)  # type: ignore[arg-type]
        again = load_ternary(tmp_path / format)
        assert type(again) is BitNetForCausalLM
        for name, weight in weights(trainer.model).items():
            kept = weight.bfloat16().float() if format == "dense" else weight
            assert torch.equal(again.get_parameter(name), kept)


def test_a_path_and_an_object_start_from_the_same_model(
    make_trainer: MakeTrainer,
    tmp_path: Path,
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    tiny_llama.save_pretrained(tmp_path / "dense")
    tiny_tokenizer.save_pretrained(tmp_path / "dense")
    by_path = make_trainer(model=str(tmp_path / "dense"), sub_norms=True)
    by_object = make_trainer(model=tiny_llama, sub_norms=True)
    assert type(by_path.model) is type(by_object.model) is BitNetForCausalLM
    expected = by_object.model.state_dict()
    assert by_path.model.state_dict().keys() == expected.keys()
    for name, tensor in by_path.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], msg=name)
    shared = by_object.model.model.layers[0].self_attn.q_proj.weight
    assert shared is tiny_llama.model.layers[0].self_attn.q_proj.weight
    assert not ternary_layers(tiny_llama), "the given object keeps its class and its layers"


def test_calibrated_on_the_first_rows_as_they_were_prepared(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    trainer = make_trainer(model=tiny_llama, sub_norms=True)
    rows = [row["input_ids"] for row in trainer.train_dataset]
    assert sum(map(len, rows)) < 4096
    by_hand = insert_sub_norms(tiny_llama, calibration=rows)
    for name, weight in weights(trainer.model).items():
        torch.testing.assert_close(weight, by_hand.get_parameter(name).detach())
        assert not bool((weight == 1).any())


def test_only_the_first_tokens_count(tiny_llama: LlamaForCausalLM) -> None:
    first = [[3 + i % 300 for i in range(200)] for _ in range(20)] + [[7] * 150]
    model = insert_sub_norms(tiny_llama)
    calibrate_on_dataset(model, Dataset.from_dict({"input_ids": [*first, [9] * 200]}))
    shorter = insert_sub_norms(tiny_llama, calibration=[*first[:20], [7] * 96])
    for name, weight in weights(model).items():
        assert torch.equal(weight, shorter.get_parameter(name))


def test_rows_that_are_not_tokenized_leave_weights_of_1_and_say_so(
    tiny_llama: LlamaForCausalLM, caplog: pytest.LogCaptureFixture
) -> None:
    model = insert_sub_norms(tiny_llama)
    with caplog.at_level(logging.WARNING):
        calibrate_on_dataset(model, Dataset.from_dict({"pixels": [[1], [2]]}))
        calibrate_on_dataset(model, None)
    assert caplog.text.count("no rows with input_ids to calibrate") == 2
    assert all(bool((weight == 1).all()) for weight in weights(model).values())


def test_a_model_with_sub_norms_keeps_the_ones_it_has(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    first = make_trainer(sub_norms=True)
    first.train()
    first.save_model(str(tmp_path / "packed"))
    second = make_trainer(model=str(tmp_path / "packed"), sub_norms=True)
    for name, weight in weights(second.model).items():
        assert torch.equal(weight, first.model.get_parameter(name))
    third = make_trainer(model=second.model, sub_norms=True)
    assert third.model is second.model


@pytest.mark.parametrize("projection", ["latent", "stochastic"])
def test_a_killed_run_resumes_to_the_same_bits(
    make_trainer: MakeTrainer, tmp_path: Path, projection: str
) -> None:
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "sub_norms": True}
    settings["projection"] = projection
    whole = make_trainer(output_dir=str(tmp_path / "whole"), **settings)
    whole.train()
    killed = make_trainer(
        output_dir=str(tmp_path / "killed"), trainer={"callbacks": [KillAfter(3)]}, **settings
    )
    with pytest.raises(Killed):
        killed.train()
    resumed = make_trainer(output_dir=str(tmp_path / "killed"), **settings)
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == 4
    expected = whole.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_adapters_over_new_norms_are_refused(make_trainer: MakeTrainer) -> None:
    adapters = {"peft_config": LoraConfig(r=4, target_modules=["q_proj"])}
    with pytest.raises(ValueError, match="sub_norms=True and peft_config exclude each other"):
        make_trainer(sub_norms=True, trainer=adapters)


def test_adapters_over_a_base_with_norms_are_fine(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    adapters = {"peft_config": LoraConfig(r=4, target_modules=["q_proj"])}
    trainer = make_trainer(model=insert_sub_norms(tiny_llama), sub_norms=True, trainer=adapters)
    trainer.train()
    assert trainer.state.global_step == 4


def test_norms_do_not_decay(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(sub_norms=True, weight_decay=0.1)
    optimizer = trainer.create_optimizer()
    named = dict(trainer.model.named_parameters())
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert {decays[id(named[name])] for name in NORMS} == {0.0}
    assert decays[id(named["model.layers.0.mlp.down_proj.weight"])] == 0.1
