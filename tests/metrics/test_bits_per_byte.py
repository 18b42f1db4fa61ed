"""Bits per byte and perplexity: the definition, windows, where a text starts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft import replace_linear_with_bitlinear
from bitsft.metrics.bits_per_byte import bits_per_byte, windows

TEXTS = ["대한민국의 수도는 서울입니다.", "한글을 만들었습니다.", "안녕하세요, hello! 2026년"]


def token_nats(model: torch.nn.Module, ids: list[int]) -> list[float]:
    """-log p of every token but the first, in one forward."""
    with torch.no_grad():
        logs = model.eval()(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return [-float(logs[t - 1, ids[t]]) for t in range(1, len(ids))]


@pytest.mark.parametrize("ternary", [False, True])
def test_equals_the_definition(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, ternary: bool
) -> None:
    if ternary:
        replace_linear_with_bitlinear(tiny_llama)
    bos = tiny_tokenizer.bos_token_id
    nats = [token_nats(tiny_llama, [bos, *tiny_tokenizer(text=t)["input_ids"]]) for t in TEXTS]
    sizes = [len(text.encode()) for text in TEXTS]
    scores = bits_per_byte(tiny_llama, tiny_tokenizer, TEXTS, batch_size=2)

    bits = scores["bits_per_byte"]
    assert bits.value == pytest.approx(sum(map(sum, nats)) / math.log(2) / sum(sizes), rel=1e-5)
    assert bits.rows == pytest.approx(
        [sum(n) / math.log(2) / size for n, size in zip(nats, sizes, strict=True)], rel=1e-5
    )
    assert bits.goal == "lower"
    assert bits.signature == "max_length:256|stride:128|bos:bos|eos:no"

    perplexity = scores["perplexity"]
    flat = [value for n in nats for value in n]
    assert perplexity.value == pytest.approx(math.exp(np.mean(flat)), rel=1e-5)
    assert perplexity.rows == pytest.approx([math.exp(np.mean(n)) for n in nats], rel=1e-5)
    assert perplexity.goal == "lower"
    assert f"|tok:{len(tiny_tokenizer)}-" in perplexity.signature
    low, high = perplexity.interval()
    assert low <= perplexity.value <= high
    assert perplexity.subset([1]).value == pytest.approx(float(perplexity.rows[1]))


def test_a_model_that_knows_nothing_needs_the_entropy_of_its_vocabulary(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    with torch.no_grad():
        tiny_llama.model.norm.weight.zero_()  # all logits 0: every token has p = 1/V
    scores = bits_per_byte(tiny_llama, tiny_tokenizer, ["abc"])
    vocabulary = tiny_llama.config.vocab_size
    assert scores["perplexity"].value == pytest.approx(vocabulary, rel=1e-5)
    tokens = len(tiny_tokenizer(text="abc")["input_ids"])
    assert scores["bits_per_byte"].value == pytest.approx(tokens * math.log2(vocabulary) / 3)


def test_long_texts_are_read_in_windows(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    text = "대한민국의 수도는 서울입니다. " * 15
    ids = [tiny_tokenizer.bos_token_id, *tiny_tokenizer(text=text)["input_ids"]]
    assert len(ids) > 80
    nats = token_nats(tiny_llama, ids[:33])  # the first window: 32 tokens in, 32 predicted
    for end in range(33, len(ids), 10):  # then 10 new ones at a time, 32 in
        stop = min(end + 10, len(ids))
        nats += token_nats(tiny_llama, ids[stop - 33 : stop])[-(stop - end) :]
    score = bits_per_byte(tiny_llama, tiny_tokenizer, [text], max_length=32, stride=10)
    expected = sum(nats) / math.log(2) / len(text.encode())
    assert score["bits_per_byte"].value == pytest.approx(expected, rel=1e-5)
    assert score["bits_per_byte"].signature == "max_length:32|stride:10|bos:bos|eos:no"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.data())
def test_windows_predict_each_token_once_and_fit(data: st.DataObject) -> None:
    start = data.draw(st.integers(1, 2))
    length = data.draw(st.integers(start + 1, 60))
    max_length = data.draw(st.integers(2, 20))
    stride = data.draw(st.integers(1, max_length))
    found = windows(length, start, max_length, stride)
    assert [t for first, end in found for t in range(first, end)] == list(range(start, length))
    for first, end in found:
        fed = range(max(0, end - 1 - max_length), end - 1)
        assert len(fed) <= max_length
        assert fed.start < first  # something to predict the first token from


def test_where_a_text_starts(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    by_bos = bits_per_byte(tiny_llama, tiny_tokenizer, TEXTS)["bits_per_byte"]
    tiny_tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    own = bits_per_byte(tiny_llama, tiny_tokenizer, TEXTS)["bits_per_byte"]
    assert own.value == pytest.approx(by_bos.value, rel=1e-6)
    assert "|bos:own|" in own.signature


def test_eos_stands_in_for_a_missing_bos(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    tiny_tokenizer.bos_token = None
    score = bits_per_byte(tiny_llama, tiny_tokenizer, TEXTS)["bits_per_byte"]
    assert "|bos:eos|" in score.signature
    tiny_tokenizer.eos_token = None
    with pytest.raises(ValueError, match="neither a BOS nor an EOS token"):
        bits_per_byte(tiny_llama, tiny_tokenizer, TEXTS)


def test_unknown_tokens_are_told(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    (token,) = tiny_tokenizer(text="!")["input_ids"]
    tiny_tokenizer.unk_token = tiny_tokenizer.convert_ids_to_tokens(token)
    score = bits_per_byte(tiny_llama, tiny_tokenizer, ["ab!!"])["bits_per_byte"]
    assert score.signature.endswith("|unk:50.00%")


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        ([], {}, ValueError, "the list is empty"),
        ("서울", {}, TypeError, "put it in brackets"),
        ([1], {}, TypeError, r"texts\[0\] is int"),
        (["가", ""], {}, ValueError, r"texts\[1\] is empty"),
        (["\ud800"], {}, ValueError, r"texts\[0\] holds half of a surrogate pair"),
        (["가"], {"max_length": 300}, ValueError, "max_length=300: .* 256 positions"),
        (["가"], {"max_length": 1}, ValueError, "max_length=1: it must be 2 or more"),
        (["가"], {"max_length": 8, "stride": 9}, ValueError, "stride=9"),
    ],
)
def test_errors(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    texts: list[str],
    options: dict[str, int],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        bits_per_byte(tiny_llama, tiny_tokenizer, texts, **options)
