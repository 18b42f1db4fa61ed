"""Likelihoods of labels: the tokens are those of training, and every option does what it says."""

import math

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft import replace_linear_with_bitlinear
from bitsft.metrics.classification import classification_by_likelihood
from bitsft.metrics.label_likelihoods import _encode_labels, label_likelihoods, likelihood_signature
from bitsft.scratch import train_tokenizer
from bitsft.ternary.packed_model import pack_model

PROMPTS = [
    "### 질문: 재미있다\n\n### 답변:",
    "### 질문: 한라산은 어디에 있나요?\n\n### 답변:",
    "네:",
]
LABELS = ["긍정", "부정", "매우 긍정"]


def nats(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, prompt: str, whole: str
) -> float:
    """log p of what `whole` has beyond `prompt`, with one forward of its own."""
    ids = tokenizer(text=whole, add_special_tokens=False)["input_ids"]
    start = len(tokenizer(text=prompt, add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        logs = model.eval()(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return sum(float(logs[t - 1, ids[t]]) for t in range(start, len(ids)))


@pytest.mark.parametrize("kind", ["dense", "ternary", "packed"])
def test_equals_prompt_and_label_in_one_forward(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, kind: str
) -> None:
    if kind != "dense":
        replace_linear_with_bitlinear(tiny_llama)
    if kind == "packed":
        pack_model(tiny_llama)
    rows = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS, LABELS, batch_size=4)
    assert [list(row) for row in rows] == [LABELS] * 3
    for prompt, row in zip(PROMPTS, rows, strict=True):
        for label, value in row.items():
            expected = nats(tiny_llama, tiny_tokenizer, prompt, f"{prompt} {label}")
            assert value == pytest.approx(expected, rel=1e-5)


def test_eos_is_measured_when_asked(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    (row,) = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS[:1], LABELS, eos=True)
    for label, value in row.items():
        expected = nats(tiny_llama, tiny_tokenizer, PROMPTS[0], f"{PROMPTS[0]} {label}</s>")
        assert value == pytest.approx(expected, rel=1e-5)


def test_per_token_and_per_byte(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    (sums,) = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS[:1], LABELS)
    (tokens,) = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS[:1], LABELS, per="token")
    (by_bytes,) = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS[:1], LABELS, per="byte")
    for label in LABELS:
        measured = len(tiny_tokenizer(text=f" {label}")["input_ids"])
        assert tokens[label] == pytest.approx(sums[label] / measured)
    assert by_bytes["긍정"] == pytest.approx(sums["긍정"] / 6)
    assert by_bytes["매우 긍정"] == pytest.approx(sums["매우 긍정"] / 13)


def test_messages_go_through_the_chat_template(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    chat = [{"role": "user", "content": "재미있다"}]
    head = "### user:\n재미있다\n### assistant:\n"
    (row,) = label_likelihoods(tiny_llama, tiny_tokenizer, [chat], LABELS)
    (ended,) = label_likelihoods(tiny_llama, tiny_tokenizer, [chat], LABELS, eos=True)
    for label in LABELS:
        bare = nats(tiny_llama, tiny_tokenizer, head, head + label)
        whole = nats(tiny_llama, tiny_tokenizer, head, f"{head}{label}</s>\n")
        assert row[label] == pytest.approx(bare, rel=1e-5)
        assert ended[label] == pytest.approx(whole, rel=1e-5)


def test_a_label_that_the_template_itself_writes(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    chat = [{"role": "user", "content": "a"}]
    head = "### user:\na\n### assistant:\n"
    (row,) = label_likelihoods(tiny_llama, tiny_tokenizer, [chat], ["s", "a"])  # </s>, assistant
    for label, value in row.items():
        expected = nats(tiny_llama, tiny_tokenizer, head, head + label)
        assert value == pytest.approx(expected, rel=1e-5)


def test_tokens_are_those_of_trl(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    """TRL: the completion is what prompt and prompt + completion do not share."""
    whole = tiny_tokenizer(text=f"{PROMPTS[0]} 부정</s>")["input_ids"]
    alone = tiny_tokenizer(text=PROMPTS[0])["input_ids"]
    context, (rest,) = _encode_labels(tiny_tokenizer, PROMPTS[0], ["부정"], " ", True)
    assert (context, rest) == (alone, whole[len(alone) :])
    assert rest[-1] == tiny_tokenizer.eos_token_id


def test_labels_that_merge_with_the_prompt_start_at_one_place() -> None:
    tokenizer = train_tokenizer(["가나 가나 가나", "다나 라마"] * 20, vocab_size=300)

    def ids(text: str) -> list[int]:
        return list(tokenizer(text=text)["input_ids"])

    assert len(ids("가나")) < len(ids("가")) + len(ids("나"))  # the tokenizer joins the two
    context, (joined, apart) = _encode_labels(tokenizer, "라 가", ["나", "마"], "", False)
    shared = len(context)
    assert shared < len(ids("라 가"))
    assert context + joined == ids("라 가나")
    assert context + apart == ids("라 가마")
    assert tokenizer.decode(apart).endswith("가마")


def test_the_likelier_label_wins(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS, LABELS)
    best = [max(row, key=lambda label: row[label]) for row in rows]
    scores = classification_by_likelihood(rows, best, settings=likelihood_signature())
    assert scores["likelihood_accuracy"].value == 1.0
    assert scores["likelihood_accuracy"].signature == (
        "labels:긍정,부정,매우 긍정|read:likelihood|sep:' '|eos:no|per:none"
    )


def test_more_likely_labels_are_less_negative(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    (row,) = label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS[:1], LABELS)
    assert all(-math.inf < value < 0 for value in row.values())
    assert row["매우 긍정"] < row["긍정"]  # more tokens, each of them unlikely


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": []}, "give a list of labels"),
        ({"labels": "긍정"}, "give a list of labels"),
        ({"labels": ["긍정", " "]}, "' ', which is blank"),
        ({"labels": ["긍정", "긍정"]}, "one twice"),
        ({"per": "word"}, "per='word' is unknown: choose one of none, token, byte"),
        ({"prompts": [""]}, "prompt 0 has no tokens"),
    ],
)
def test_errors(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    options: dict[str, object],
    message: str,
) -> None:
    arguments = {"prompts": PROMPTS, "labels": LABELS, **options}
    with pytest.raises(ValueError, match=message):
        label_likelihoods(tiny_llama, tiny_tokenizer, **arguments)


def test_eos_without_an_eos_token(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    tiny_tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no EOS token"):
        label_likelihoods(tiny_llama, tiny_tokenizer, PROMPTS, LABELS, eos=True)


def test_a_template_that_hides_the_label(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    chat = [{"role": "user", "content": "재미있다"}]
    tiny_tokenizer.chat_template = "{% for m in messages %}{{ m['content']|upper }}{% endfor %}"
    with pytest.raises(ValueError, match="does not show the label 'good'"):
        label_likelihoods(tiny_llama, tiny_tokenizer, [chat], ["good"])
