"""A teacher that says something else than a fresh student."""

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.scratch import new_llama
from tests.training.conftest import make_trainer as make_trainer


@pytest.fixture
def teacher(tiny_tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Wider and deeper than the student; its distributions are far from even."""
    model = new_llama(tiny_tokenizer, hidden_size=48, layers=3, heads=4, max_length=256, seed=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model
