"""TRL's BEMACallback leaves a packed ternary model of the averaged latent weights."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import BEMACallback

from bitsft.checkpoint import load_ternary
from bitsft.scratch import new_llama
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.quantize import quantize_weight

from ..conftest import MakeTrainer


def test_its_folder_is_the_projection_of_its_average(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    bema = BEMACallback(update_freq=2)
    trainer = make_trainer(max_steps=6, trainer={"callbacks": [bema]})
    trainer.train()
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "bema")
    packed = stock.model.layers[0].mlp.up_proj
    averaged = bema.running_model.model.layers[0].mlp.up_proj
    codes, scale = quantize_weight(averaged.weight)
    assert len(averaged.weight.detach().abs().unique()) > 100, "latent weights"
    assert packed.weight.dtype == torch.uint8
    x = torch.randn(2, 32)
    torch.testing.assert_close(packed(x), averaged.eval()(x))
    live_codes, _ = trainer.model.model.layers[0].mlp.up_proj.ternary()
    assert not torch.equal(codes, live_codes)
    assert (tmp_path / "run" / "bema" / "tokenizer.json").is_file()


def test_a_model_with_sub_norms_is_averaged_with_them(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    bema = BEMACallback(update_freq=1)
    make_trainer(max_steps=2, sub_norms=True, trainer={"callbacks": [bema]}).train()
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "bema").eval()
    norm = stock.model.layers[0].mlp.ffn_sub_norm.weight
    assert torch.equal(norm, bema.running_model.model.layers[0].mlp.ffn_sub_norm.weight)
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(
        stock(ids).logits, bema.running_model.eval()(ids).logits, rtol=1e-4, atol=1e-4
    )


def test_what_it_cannot_copy_is_refused(make_trainer: MakeTrainer) -> None:
    adapters = make_trainer(
        trainer={
            "callbacks": [BEMACallback()],
            "peft_config": LoraConfig(target_modules=["q_proj"]),
        }
    )
    with pytest.raises(ValueError, match="PeftModel.* wraps the model"):
        adapters.train()
    no_latents = make_trainer(projection="stochastic", trainer={"callbacks": [BEMACallback()]})
    with pytest.raises(ValueError, match="does not keep. Use projection='latent'"):
        no_latents.train()
    partly = make_trainer(trainer={"callbacks": [BEMACallback()]})
    partly.model.model.norm.weight.requires_grad_(False)
    with pytest.raises(ValueError, match=r"'model\.norm\.weight' is not trained"):
        partly.train()
    extended = make_trainer(trainer={"callbacks": [BEMACallback()]})
    extended.model.model.layers[0].extra = torch.nn.Linear(2, 2, bias=False)
    with pytest.raises(ValueError, match=r"'model\.layers\.0\.extra\.weight' is not among those"):
        extended.train()


def test_a_resumed_run_says_that_its_average_starts_anew(
    make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(save_strategy="steps", save_steps=2).train()
    trainer = make_trainer(trainer={"callbacks": [BEMACallback()]})
    trainer.train(resume_from_checkpoint=str(Path(trainer.args.output_dir) / "checkpoint-2"))
    assert "its average starts anew from the checkpoint" in caplog.text


def test_its_layers_have_the_scales_of_the_trained_ones(
    make_trainer: MakeTrainer, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = new_llama(tiny_tokenizer, hidden_size=32, layers=1, heads=4, max_length=64)
    replace_linear_with_bitlinear(model, filter_fn=lambda _, name: "mlp" in name, granularity="row")
    bema = BEMACallback(update_freq=1)
    make_trainer(model, max_steps=1, trainer={"callbacks": [bema]}).train()
    layers = ternary_layers(bema.running_model)
    assert len(layers) == 7
    again = ternary_layers(load_ternary(tmp_path / "run" / "bema"))
    for name, layer in layers.items():
        assert layer.granularity == ("row" if "mlp" in name else "tensor"), name
        codes, scale = layer.ternary()
        assert torch.equal(again[name].ternary()[0], codes)
        loaded = again[name].ternary()[1]  # a file with scales by row has them everywhere
        torch.testing.assert_close(loaded, scale.expand_as(loaded))
