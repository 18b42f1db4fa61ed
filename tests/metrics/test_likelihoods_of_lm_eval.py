"""Likelihoods beside those of lm-evaluation-harness, with the same model in memory."""

import math
from typing import Any

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft import replace_linear_with_bitlinear
from bitsft.metrics import bits_per_byte, label_likelihoods

TEXTS = ["대한민국의 수도는 서울입니다. " * 15, "한글을 만들었습니다.", "안녕하세요, hello!"]
PROMPTS = ["### 질문: 재미있다\n\n### 답변:", "### 질문: 한라산은 어디에 있나요?\n\n### 답변:"]
LABELS = ["긍정", "부정", "매우 긍정"]


def requests(kind: str, arguments: list[tuple[str, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type=kind, doc={}, arguments=one, idx=at)
        for at, one in enumerate(arguments)
    ]


@pytest.mark.parametrize("ternary", [False, True])
def test_bits_per_byte(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, ternary: bool
) -> None:
    from lm_eval.models.huggingface import HFLM

    if ternary:
        replace_linear_with_bitlinear(tiny_llama)
    harness = HFLM(pretrained=tiny_llama, tokenizer=tiny_tokenizer, max_length=32, batch_size=2)
    asked = requests("loglikelihood_rolling", [(text,) for text in TEXTS])
    nats = harness.loglikelihood_rolling(asked, disable_tqdm=True)
    # its windows share no predicted token, and a further one is filled up with context: stride = max_length
    score = bits_per_byte(tiny_llama, tiny_tokenizer, TEXTS, max_length=32, stride=32)[
        "bits_per_byte"
    ]
    expected = [
        -value / math.log(2) / len(text.encode()) for value, text in zip(nats, TEXTS, strict=True)
    ]
    assert score.rows == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("ternary", [False, True])
def test_labels(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, ternary: bool
) -> None:
    from lm_eval.models.huggingface import HFLM

    if ternary:
        replace_linear_with_bitlinear(tiny_llama)
    harness = HFLM(pretrained=tiny_llama, tokenizer=tiny_tokenizer, batch_size=2)
    pairs = [(prompt, f" {label}") for prompt in PROMPTS for label in LABELS]
    expected = [
        value
        for value, _ in harness.loglikelihood(requests("loglikelihood", pairs), disable_tqdm=True)
    ]
    rows = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS, LABELS)
    assert [value for row in rows for value in row.values()] == pytest.approx(expected, rel=1e-5)
