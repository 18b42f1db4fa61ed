"""Shared fixtures: a tokenizer and a ternary-sized Llama built in memory, and no network."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
os.environ["CI"] = "1"  # TRL counts test runs otherwise
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Read when Triton is imported: without an NVIDIA GPU its kernels run in its interpreter.
os.environ.setdefault("TRITON_INTERPRET", "0" if Path("/dev/nvidiactl").exists() else "1")

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.scratch import new_llama, train_tokenizer

TEXTS = [
    "### 질문: 대한민국의 수도는 어디인가요?\n\n### 답변: 서울입니다.",
    "### 질문: 한라산은 어디에 있나요?\n\n### 답변: 제주도에 있습니다.",
    "### 질문: 세종대왕은 무엇을 만들었나요?\n\n### 답변: 한글을 만들었습니다.",
    "### user:\n안녕하세요\n### assistant:\n반갑습니다",
]


@pytest.fixture(scope="session")
def _session_tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, vocab_size=400)


@pytest.fixture
def tiny_tokenizer(_session_tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A fresh copy each time: trainers set pad tokens and sides on it."""
    import copy

    return copy.deepcopy(_session_tokenizer)


@pytest.fixture
def tiny_llama(tiny_tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Two layers, 32 wide, random weights from a fixed seed."""
    return new_llama(tiny_tokenizer, hidden_size=32, layers=2, heads=4, max_length=256)


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
