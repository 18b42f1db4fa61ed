"""The small model and tokenizer that demo, examples and tests start from."""

import pytest
import torch

from bitsft.scratch import new_llama, train_tokenizer

TEXTS = ["서울은 대한민국의 수도입니다.", "한라산은 제주도에 있습니다."]


def test_any_hangul_survives_the_tokenizer() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    for text in ("쀍뷁 ㅋㅋ 한국어", "A mixed 문장, 1,000원"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_chat_template_marks_the_assistant() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    messages = [
        {"role": "user", "content": "수도는?"},
        {"role": "assistant", "content": "서울"},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == (
        "### user:\n수도는?\n### assistant:\n서울</s>\n"
    )
    encoded = tokenizer.apply_chat_template(
        messages, return_dict=True, return_assistant_tokens_mask=True
    )
    trained = [
        i for i, m in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if m
    ]
    assert tokenizer.decode(trained) == "서울</s>"


def test_a_vocabulary_too_small_for_bytes() -> None:
    with pytest.raises(ValueError, match="vocab_size is 256; .* at least 300"):
        train_tokenizer(TEXTS, 256)


def test_the_same_seed_gives_the_same_model_and_leaves_the_global_state_alone() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    state = torch.random.get_rng_state()
    first, second = (new_llama(tokenizer, hidden_size=32, layers=1, seed=7) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    assert first.lm_head.weight is first.model.embed_tokens.weight


def test_mimetic_attention_starts_from_equal_queries_and_keys() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    model = new_llama(tokenizer, hidden_size=32, layers=1, mimetic_attention=True)
    attention = model.model.layers[0].self_attn
    assert torch.equal(attention.k_proj.weight, attention.q_proj.weight)
    assert torch.equal(attention.o_proj.weight, attention.v_proj.weight.t())
    assert attention.k_proj.weight is not attention.q_proj.weight
