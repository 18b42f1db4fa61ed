"""One weight scale per matrix or per row, as the trainer's option."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from bitsft.checkpoint import load_ternary
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from tests.training.conftest import MakeTrainer

IDS = torch.tensor([[5, 6, 7, 8]])


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


def test_a_contradiction_is_refused(
    make_trainer: MakeTrainer, tiny_llama: LlamaForCausalLM
) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    with pytest.raises(ValueError, match="granularity='row', but .* with one scale per matrix"):
        make_trainer(model=tiny_llama, granularity="row")
