"""What a model and the random states are after it was asked something: what they were before."""

import pytest
import torch
from transformers import LlamaForCausalLM

from bitsft.metrics.inference_state import inference_state, seeded


def test_flags_come_back_after_an_exception(tiny_llama: LlamaForCausalLM) -> None:
    tiny_llama.train()
    tiny_llama.lm_head.eval()  # a part that was frozen stays so
    tiny_llama.gradient_checkpointing_enable()
    with pytest.raises(KeyError), inference_state(tiny_llama):
        assert not any(module.training for module in tiny_llama.modules())
        assert not tiny_llama.model.layers[0].gradient_checkpointing
        raise KeyError
    assert tiny_llama.model.layers[0].gradient_checkpointing
    off = [name for name, module in tiny_llama.named_modules() if not module.training]
    assert off == ["lm_head"]


def test_random_numbers_from_a_seed_and_back(tiny_llama: LlamaForCausalLM) -> None:
    before = torch.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        with seeded(tiny_llama, seed):
            drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), before)
