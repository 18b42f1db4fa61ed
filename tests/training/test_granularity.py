"""One weight scale per matrix or per row, as the trainer's option."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from transformers import LlamaForCausalLM

from bitsft.adapters import load_adapter
from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.checkpoint.save import Format
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from tests.training.conftest import MakeTrainer

IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture
def packed_folder(tiny_llama: LlamaForCausalLM, tmp_path: Path) -> Path:
    save_ternary(replace_linear_with_bitlinear(tiny_llama), tmp_path / "packed")
    return tmp_path / "packed"


def test_rows_train_and_are_saved_as_they_are(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(granularity="row", latent_clip=2.0)
    trainer.train()
    layers = ternary_layers(trainer.model)
    for name, layer in layers.items():
        assert layer.ternary()[1].shape == (layer.out_features, 1), name
        for row in layer.weight.detach().abs():
            assert len(row[row > 0].unique()) <= 1, name
    trainer.save_model(str(tmp_path / "saved"))
    again = load_ternary(tmp_path / "saved")
    for name, layer in ternary_layers(again).items():
        assert torch.equal(layer.weight, layers[name].weight), name
    assert torch.equal(again(IDS).logits, trainer.model.eval()(IDS).logits)


def test_by_path_the_option_counts_for_dense_models(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM, tmp_path: Path
) -> None:
    tiny_llama.save_pretrained(tmp_path / "dense")
    trainer = make_trainer(model=str(tmp_path / "dense"), granularity="row")
    assert {layer.granularity for layer in ternary_layers(trainer.model).values()} == {"row"}


def test_layers_that_have_a_scale_per_row_keep_it(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    replace_linear_with_bitlinear(tiny_llama, granularity="row")
    trainer = make_trainer(model=tiny_llama)
    assert {layer.granularity for layer in ternary_layers(trainer.model).values()} == {"row"}


@pytest.mark.parametrize("base_of", ["nothing", "adapters", "adapters, packed"])
def test_a_contradiction_is_refused(
    make_trainer: MakeTrainer, packed_folder: Path, base_of: str
) -> None:
    model = load_ternary(packed_folder, trainable=base_of != "adapters, packed")
    lora = None if base_of == "nothing" else LoraConfig(target_modules=["q_proj"])
    with pytest.raises(ValueError) as error:
        make_trainer(model=model, granularity="row", trainer={"peft_config": lora})
    assert str(error.value) == (
        "granularity='row', but model.layers.0.self_attn.q_proj was ternary before, with one scale per matrix "
        "(granularity='tensor'), which it keeps. Leave granularity at 'tensor', pass the model before its conversion, or "
        "convert it with replace_linear_with_bitlinear(model, granularity='row')."
    )


def test_a_packed_folder_takes_scales_per_row_that_start_as_its_own(
    make_trainer: MakeTrainer, packed_folder: Path
) -> None:
    before = ternary_layers(load_ternary(packed_folder))
    trainer = make_trainer(model=str(packed_folder), granularity="row")
    for name, layer in ternary_layers(trainer.model).items():
        codes, scale = layer.ternary()
        expected_codes, expected_scale = before[name].ternary()
        assert torch.equal(codes, expected_codes)
        assert torch.equal(scale, expected_scale.expand(layer.out_features, 1))
    trainer.train()
    scales = [layer.ternary()[1] for layer in ternary_layers(trainer.model).values()]
    assert all(len(scale.unique()) > 1 for scale in scales)


@pytest.mark.parametrize("kind", ["transformers", "latent"])
def test_a_frozen_base_with_one_scale_per_matrix_keeps_it(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM, tmp_path: Path, kind: Format
) -> None:
    folder = tmp_path / "base"
    save_ternary(replace_linear_with_bitlinear(tiny_llama), folder, kind)
    with pytest.raises(ValueError) as error:
        make_trainer(
            model=str(folder),
            granularity="row",
            trainer={"peft_config": LoraConfig(target_modules=["q_proj"])},
        )
    assert str(error.value) == (
        f"granularity='row', but {folder} is a ternary checkpoint with one scale per matrix (granularity='tensor'), which "
        "it keeps under adapters (peft_config): the base is not trained. Leave granularity at 'tensor', or train without "
        "peft_config, where each row gets a scale of its own."
    )


def test_adapters_over_a_dense_model_with_scales_per_row_load_again(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM, tmp_path: Path
) -> None:
    tiny_llama.save_pretrained(tmp_path / "dense")
    trainer = make_trainer(
        model=str(tmp_path / "dense"),
        granularity="row",
        trainer={"peft_config": LoraConfig(target_modules=["q_proj"])},
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "adapter"))
    again = load_adapter(tmp_path / "dense", tmp_path / "adapter")
    torch.testing.assert_close(again(IDS).logits, trainer.model.eval()(IDS).logits)
