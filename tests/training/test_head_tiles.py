"""TRL's fused head in narrow tiles on a CPU: the same loss, and TRL's own width afterwards."""

import pytest
import torch
import trl.trainer.utils as trl_utils

from bitsft.scratch import new_llama
from bitsft.training.head_tiles import WIDTH_NAME, WORDS_OF_A_TILE, head_tiles_for

from .conftest import MakeTrainer

needs_fused_head = pytest.mark.skipif(
    not hasattr(trl_utils, "add_fused_lm_head"), reason="TRL 1.14 has no fused head"
)


@needs_fused_head
def test_the_width_is_narrow_inside_only_and_comes_back_after_an_error() -> None:
    width = getattr(trl_utils, WIDTH_NAME)
    assert width > WORDS_OF_A_TILE
    with pytest.raises(KeyError), head_tiles_for(torch.device("cpu")):
        assert getattr(trl_utils, WIDTH_NAME) == WORDS_OF_A_TILE
        raise KeyError
    assert getattr(trl_utils, WIDTH_NAME) == width


@needs_fused_head
def test_a_gpu_keeps_the_width_of_trl() -> None:
    width = getattr(trl_utils, WIDTH_NAME)
    with head_tiles_for(torch.device("cuda")):
        assert getattr(trl_utils, WIDTH_NAME) == width


def test_without_a_name_in_trl_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trl_utils, WIDTH_NAME, raising=False)
    with head_tiles_for(torch.device("cpu")):
        assert not hasattr(trl_utils, WIDTH_NAME)


@needs_fused_head
@pytest.mark.parametrize("words", [7, 64])
def test_tiles_change_losses_and_gradients_in_the_last_bits_only(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, tiny_tokenizer: object, words: int
) -> None:
    widths = []

    def first_step(words: int) -> tuple[list[float], torch.Tensor]:
        monkeypatch.setattr("bitsft.training.head_tiles.WORDS_OF_A_TILE", words)
        torch.manual_seed(0)
        model = new_llama(tiny_tokenizer, hidden_size=32, layers=1, heads=4, max_length=256)  # type: ignore[arg-type]
        trainer = make_trainer(model=model, max_steps=2, seed=1)
        scored = trl_utils._ChunkedLogProbFunction.apply
        monkeypatch.setattr(
            trl_utils._ChunkedLogProbFunction,
            "apply",
            lambda *args: (widths.append(args[5]), scored(*args))[1],
        )
        trainer.train()
        monkeypatch.undo()
        log = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return log, model.get_input_embeddings().weight.detach()

    wide_loss, wide_embedding = first_step(100_000)
    loss, embedding = first_step(words)
    assert widths[0] == getattr(trl_utils, WIDTH_NAME) and widths[-1] == words
    assert loss == pytest.approx(wide_loss, rel=1e-5)
    torch.testing.assert_close(embedding, wide_embedding, rtol=1e-3, atol=1e-4)
