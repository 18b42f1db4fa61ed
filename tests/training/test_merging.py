"""Adapters brought back to the grid: a plain ternary model that comes nearer to what it was merged from."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.adapters.dithered_merge import dithered_merge
from bitsft.adapters.preparation import prepare_adapters
from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_model import pack_model
from bitsft.ternary.replace import replace_linear_with_bitlinear
from bitsft.training import TernarySFTConfig
from bitsft.training.merging import default_merge_config, merge_to_ternary
from tests.training.conftest import MakeTrainer, number_rows


def adapted(model: LlamaForCausalLM) -> Any:
    replace_linear_with_bitlinear(model)
    pack_model(model)
    config = LoraConfig(target_modules="all-linear", r=2, modules_to_save=["norm"])
    adapter = get_peft_model(model, prepare_adapters(model, config))
    generator = torch.Generator().manual_seed(3)
    for name, parameter in adapter.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(generator=generator).mul_(0.3)
        if "modules_to_save" in name:
            parameter.data.mul_(4)
    return adapter


def divergence(model: Any, teacher: Any, ids: Tensor) -> float:
    with torch.no_grad():
        given, wanted = (one(input_ids=ids).logits.log_softmax(-1) for one in (model, teacher))
    return torch.nn.functional.kl_div(given, wanted, log_target=True, reduction="batchmean").item()


def test_the_merged_model_comes_nearer_to_the_adapter(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = adapted(tiny_llama)
    model.train()
    state = copy.deepcopy(model.state_dict())
    rows = Dataset.from_list(
        [{"text": row["prompt"] + row["completion"]} for row in number_rows(4)]
    )
    args = TernarySFTConfig(
        str(tmp_path / "merging"),
        max_steps=40,
        per_device_train_batch_size=4,
        learning_rate=5e-3,
        distillation_weight=1.0,
        distillation_temperature=1.0,
        bf16=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        gradient_checkpointing=False,
    )
    merged = merge_to_ternary(model, rows, args, processing_class=tiny_tokenizer)

    assert type(merged) is LlamaForCausalLM
    assert not merged.training
    for layer in ternary_layers(merged).values():
        codes, scale = layer.ternary()
        assert torch.equal(layer.weight.detach(), codes * scale)
    assert model.training  # as before, teacher or not
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora" in name or "modules_to_save" in name for name in trained)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())

    model.eval()
    ids = torch.tensor([tiny_tokenizer(row["text"]).input_ids[:12] for row in rows])
    at_start = divergence(dithered_merge(model), model, ids)
    assert divergence(merged, model, ids) < 0.5 * at_start
    save_ternary(merged, tmp_path / "merged")
    again = load_ternary(tmp_path / "merged")
    with torch.no_grad():
        torch.testing.assert_close(again(input_ids=ids).logits, merged(input_ids=ids).logits)


def test_what_a_trainer_leaves_on_the_model_does_not_stand_in_for_the_merged_one(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    config = LoraConfig(target_modules="all-linear", r=4, lora_alpha=64)
    trainer = make_trainer(
        replace_linear_with_bitlinear(tiny_llama), trainer={"peft_config": config}, max_steps=8
    )
    trainer.train()
    model = trainer.model.eval()
    ids = torch.tensor([tiny_tokenizer("### 질문: 3 다음 수는?").input_ids])
    start = dithered_merge(model)
    assert divergence(start, model, ids) > 1e-6  # it is rounded
    with torch.no_grad():
        start.get_output_embeddings().weight.zero_()
        assert not bool(start(input_ids=ids).logits.any())
    args = default_merge_config("unused")
    args.max_steps = 1
    merged = merge_to_ternary(model, number_rows(2), args, processing_class=tiny_tokenizer)
    again = copy.deepcopy(merged)
    with torch.no_grad():
        again.get_output_embeddings().weight.zero_()
        assert not bool(again(input_ids=ids).logits.any())
        assert bool(merged(input_ids=ids).logits.any())


def test_without_arguments_it_trains_one_epoch_and_writes_nothing(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    merged = merge_to_ternary(adapted(tiny_llama), number_rows(8), processing_class=tiny_tokenizer)
    assert len(ternary_layers(merged)) == 14
    assert list(tmp_path.iterdir()) == []
    config = default_merge_config("somewhere")
    assert (config.num_train_epochs, config.distillation_temperature) == (1, 1.0)


def test_options_that_it_sets_itself_are_refused(tiny_llama: LlamaForCausalLM) -> None:
    with pytest.raises(ValueError, match="peft_config, teacher_model"):
        merge_to_ternary(
            adapted(tiny_llama), number_rows(2), teacher_model="x", peft_config=LoraConfig()
        )
