"""Log-likelihoods: equal to one forward per row, whatever the batch, the padding and the sharing."""

import random

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft import replace_linear_with_bitlinear
from bitsft.metrics import likelihood
from bitsft.metrics.likelihood import log_likelihoods
from bitsft.ternary.linear import ternary_layers

ROWS = 13


def one_by_one(model: torch.nn.Module, prompt: list[int], continuation: list[int]) -> float:
    """The definition, without batch, padding, shared prefix or tiles."""
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor([prompt + continuation])).logits[0]
    logs = logits.double().log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(continuation) - 1)
    return sum(float(logs[t, token]) for t, token in zip(places, continuation, strict=True))


def made_rows(vocab: int) -> tuple[list[list[int]], list[list[int]]]:
    rng = random.Random(0)

    def drawn(longest: int) -> list[list[int]]:
        lengths = [rng.randint(1, longest) for _ in range(ROWS)]
        return [[rng.randrange(3, vocab) for _ in range(length)] for length in lengths]

    return drawn(40), drawn(12)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
@pytest.mark.parametrize("ternary", [False, True])
def test_equals_a_plain_loop(tiny_llama: LlamaForCausalLM, batch_size: int, ternary: bool) -> None:
    if ternary:
        replace_linear_with_bitlinear(tiny_llama)
    prompts, continuations = made_rows(tiny_llama.config.vocab_size)
    expected = [one_by_one(tiny_llama, p, c) for p, c in zip(prompts, continuations, strict=True)]
    values = log_likelihoods(tiny_llama, prompts, continuations, batch_size=batch_size)
    assert values == pytest.approx(expected, rel=1e-5)
    assert all(type(value) is float for value in values)


def test_more_positions_than_one_tile(
    tiny_llama: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, continuations = made_rows(tiny_llama.config.vocab_size)
    whole = log_likelihoods(tiny_llama, prompts, continuations)
    monkeypatch.setattr(likelihood, "_POSITIONS", 3)
    assert log_likelihoods(tiny_llama, prompts, continuations) == pytest.approx(whole, rel=1e-6)


def test_labels_after_one_prompt_cost_one_pass(tiny_llama: LlamaForCausalLM) -> None:
    prompt = [5, 6, 7, 8]
    continuations = [[9], [10], [11, 12], [11]]
    fed: list[tuple[int, ...]] = []
    hook = tiny_llama.model.register_forward_pre_hook(
        lambda module, args, kwargs: fed.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    values = log_likelihoods(tiny_llama, [prompt] * 4, continuations)
    hook.remove()
    assert fed[-1] == (1, 5)
    assert values == pytest.approx([one_by_one(tiny_llama, prompt, c) for c in continuations])


def test_the_head_sees_only_what_predicts_the_continuation(tiny_llama: LlamaForCausalLM) -> None:
    log_likelihoods(tiny_llama, [[5]], [[6]])  # the trial of decoder and head is over fewer tokens
    rows: list[int] = []
    hook = tiny_llama.lm_head.register_forward_pre_hook(
        lambda module, args: rows.append(args[0].numel() // args[0].shape[-1])
    )
    log_likelihoods(tiny_llama, [[5] * 100, [6] * 90], [[7, 8], [9]])
    hook.remove()
    assert rows == [8, 8, 3]


def test_soft_capped_logits_go_through_the_model(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    config = Gemma2Config(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        final_logit_softcapping=0.5,
    )
    model = Gemma2ForCausalLM(config)
    prompts, continuations = made_rows(config.vocab_size)
    expected = [one_by_one(model, p, c) for p, c in zip(prompts, continuations, strict=True)]
    assert log_likelihoods(model, prompts, continuations) == pytest.approx(expected, rel=1e-5)


def test_adapters_count(tiny_llama: LlamaForCausalLM) -> None:
    from peft import LoraConfig, get_peft_model

    plain = log_likelihoods(tiny_llama, [[5, 6]], [[7, 8]])
    config = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    adapted = get_peft_model(tiny_llama, config)
    values = log_likelihoods(adapted, [[5, 6]], [[7, 8]])
    assert values == pytest.approx([one_by_one(adapted, [5, 6], [7, 8])], rel=1e-5)
    assert values != pytest.approx(plain, rel=1e-5)


def test_virtual_tokens_of_prompt_tuning_come_first(tiny_llama: LlamaForCausalLM) -> None:
    from peft import PromptTuningConfig, get_peft_model

    plain = log_likelihoods(tiny_llama, [[5, 6], [5]], [[7, 8], [9]])
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    tuned = get_peft_model(tiny_llama, config)
    values = log_likelihoods(tuned, [[5, 6], [5]], [[7, 8], [9]])
    virtual = tuned.prompt_encoder["default"].embedding.weight
    words = tiny_llama.get_input_embeddings()(torch.tensor([[5, 6, 7]]))
    with torch.no_grad():
        embedded = torch.cat([virtual[None], words], dim=1)
        logs = tiny_llama(inputs_embeds=embedded).logits[0].log_softmax(-1)
    assert values[0] == pytest.approx(float(logs[4, 7] + logs[5, 8]), rel=1e-5)
    assert values != pytest.approx(plain, rel=1e-5)


def test_a_model_in_training_mode_is_measured_in_evaluation_mode(
    tiny_llama: LlamaForCausalLM,
) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    for layer in ternary_layers(tiny_llama).values():
        layer.quantization_strength = 0.3  # counts in training mode only
    expected = one_by_one(tiny_llama, [5, 6], [7, 8])
    tiny_llama.train()
    assert log_likelihoods(tiny_llama, [[5, 6]], [[7, 8]]) == pytest.approx([expected], rel=1e-5)


def test_leaves_everything_as_it_was(tiny_llama: LlamaForCausalLM) -> None:
    replace_linear_with_bitlinear(tiny_llama)
    tiny_llama.train()
    tiny_llama.model.layers[0].eval()
    modes = [module.training for module in tiny_llama.modules()]
    state = torch.get_rng_state()
    log_likelihoods(tiny_llama, [[5, 6]], [[7]])
    assert [module.training for module in tiny_llama.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in tiny_llama.parameters())
    layers = ternary_layers(tiny_llama).values()
    assert layers and not any(layer._holds_codes for layer in layers)


def test_nothing_to_do(tiny_llama: LlamaForCausalLM) -> None:
    assert log_likelihoods(tiny_llama, [], []) == []


@pytest.mark.parametrize(
    ("prompts", "continuations", "batch_size", "message"),
    [
        ([[5]], [], 1, "1 prompts but 0 continuations"),
        ([[5]], [[6]], 0, "batch_size=0"),
        ([[5], []], [[6], [7]], 1, "prompt 1 has no tokens"),
        ([[5]], [[]], 1, "continuation 0 has no tokens"),
        ([[5] * 200], [[6] * 58], 1, "row 0 has 258 tokens, which needs 257 positions, .* has 256"),
    ],
)
def test_errors_name_the_row(
    tiny_llama: LlamaForCausalLM,
    prompts: list[list[int]],
    continuations: list[list[int]],
    batch_size: int,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        log_likelihoods(tiny_llama, prompts, continuations, batch_size=batch_size)


def test_the_last_token_needs_no_position(tiny_llama: LlamaForCausalLM) -> None:
    prompt, continuation = [5] * 200, [6] * 57
    (value,) = log_likelihoods(tiny_llama, [prompt], [continuation])
    assert value == pytest.approx(one_by_one(tiny_llama, prompt, continuation), rel=1e-5)


def test_nan_is_an_error(tiny_llama: LlamaForCausalLM) -> None:
    with torch.no_grad():
        tiny_llama.model.norm.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"row 0 is NaN \(2 of 2 rows\)"):
        log_likelihoods(tiny_llama, [[5], [6]], [[7], [8]])
