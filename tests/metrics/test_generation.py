"""generate_completions: right texts in the right order, and nothing changed afterwards."""

import copy
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers.processors import TemplateProcessing
from transformers import (
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedTokenizerFast,
)
from trl import SFTConfig, SFTTrainer

from bitsft.metrics import generate_completions
from bitsft.metrics.generation import (
    check_prompt_lengths,
    complete,
    decoding_signature,
    encode_prompt,
    room_for_prompt,
)

PROMPTS = [
    "### 질문: 수도는 어디인가요?\n\n### 답변:",
    "한라산은",
    "### user:\n안녕하세요\n",
    "세종",
]
MESSAGES = [{"role": "user", "content": "안녕하세요"}]


def greedy(model: LlamaForCausalLM, ids: list[int], steps: int) -> list[int]:
    """Greedy decoding without cache, batch or padding."""
    ids = list(ids)
    start = len(ids)
    with torch.no_grad():
        for _ in range(steps):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[start:]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_equals_greedy_decoding_one_by_one(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, batch_size: int
) -> None:
    tiny_llama.eval()
    expected = [greedy(tiny_llama, encode_prompt(tiny_tokenizer, p), 6) for p in PROMPTS]
    assert all(tiny_tokenizer.eos_token_id not in ids for ids in expected)
    texts = generate_completions(
        tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=6, batch_size=batch_size
    )
    assert texts == [tiny_tokenizer.decode(ids, skip_special_tokens=True) for ids in expected]
    assert len(set(texts)) > 1


def test_stops_at_every_eos_of_model_and_tokenizer_and_leaves_it_out_of_the_text(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = encode_prompt(tiny_tokenizer, PROMPTS[0])
    natural = greedy(tiny_llama.eval(), ids, 6)
    stop = natural[3]
    at = natural.index(stop)
    tiny_llama.generation_config.eos_token_id = [stop]
    (done,) = complete(tiny_llama, tiny_tokenizer, [ids], max_new_tokens=6, batch_size=1)
    assert done.text == tiny_tokenizer.decode(natural[:at])
    assert (done.tokens, done.finished) == (at + 1, True)

    tiny_llama.generation_config.eos_token_id = None
    (open_end,) = complete(tiny_llama, tiny_tokenizer, [ids], max_new_tokens=6, batch_size=1)
    assert (open_end.tokens, open_end.finished) == (6, False)
    tiny_tokenizer.eos_token_id = stop
    (by_tokenizer,) = complete(tiny_llama, tiny_tokenizer, [ids], max_new_tokens=6, batch_size=1)
    assert by_tokenizer == done
    (by_caller,) = complete(
        tiny_llama, tiny_tokenizer, [ids], max_new_tokens=6, batch_size=1, eos_token_id=natural[0]
    )
    assert (by_caller.text, by_caller.tokens) == ("", 1)


def test_a_row_ended_by_a_stop_string_is_finished_and_its_padding_is_no_text(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    encoded = [encode_prompt(tiny_tokenizer, prompt) for prompt in PROMPTS[:2]]
    natural = [tiny_tokenizer.decode(greedy(tiny_llama.eval(), ids, 8)) for ids in encoded]
    stop = next(char for char in natural[0] if char not in natural[1])
    first, second = complete(
        tiny_llama,
        tiny_tokenizer,
        encoded,
        max_new_tokens=8,
        batch_size=2,
        stop_strings=[stop],
    )
    assert first.finished and first.tokens < 8 and stop in first.text
    assert (second.finished, second.tokens, second.text) == (False, 8, natural[1])


def test_works_without_a_pad_token(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    expected = generate_completions(tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=4)
    tiny_tokenizer.pad_token = None
    tiny_llama.generation_config.pad_token_id = None
    assert generate_completions(tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=4) == expected
    assert tiny_tokenizer.pad_token is None


def test_sampling_starts_from_its_own_seed(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    def sample(seed: int) -> list[str]:
        return generate_completions(
            tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=8, seed=seed, do_sample=True
        )

    first = sample(1)
    torch.rand(3)
    assert sample(1) == first
    assert sample(2) != first


class State:
    """Everything that generation must put back."""

    def __init__(self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
        self.training = {name: module.training for name, module in model.named_modules()}
        self.checkpointing = {
            name: (module.gradient_checkpointing, module._gradient_checkpointing_func)
            for name, module in model.named_modules()
            if "gradient_checkpointing" in vars(module)
        }
        self.config = model.config.to_dict()
        self.generation = model.generation_config.to_dict()
        self.padding = (tokenizer.padding_side, tokenizer.pad_token, tokenizer.truncation_side)
        self.rng = torch.get_rng_state().tolist()


@pytest.mark.parametrize("fails", [False, True])
def test_leaves_everything_as_it_was_also_when_generation_fails(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    tiny_llama.train()
    tiny_llama.model.layers[0].eval()  # a frozen part
    tiny_llama.gradient_checkpointing_enable({"use_reentrant": False})
    tiny_llama.config.use_cache = False
    tiny_tokenizer.padding_side = "right"
    before = State(tiny_llama, tiny_tokenizer)
    assert before.checkpointing

    during: dict[str, Any] = {}
    generate = tiny_llama.generate

    def watched(**settings: Any) -> torch.Tensor:
        during.update(
            training=any(module.training for module in tiny_llama.modules()),
            checkpointing=tiny_llama.model.layers[0].gradient_checkpointing,
            use_cache=settings["use_cache"],
        )
        torch.rand(1)
        if fails:
            raise RuntimeError("out of memory")
        return generate(**settings)

    monkeypatch.setattr(tiny_llama, "generate", watched)
    if fails:
        with pytest.raises(RuntimeError, match="out of memory"):
            generate_completions(tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=2)
    else:
        generate_completions(tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=2, do_sample=True)
    assert during == {"training": False, "checkpointing": False, "use_cache": True}
    assert vars(State(tiny_llama, tiny_tokenizer)) == vars(before)


@pytest.mark.parametrize("conversational", [False, True])
def test_prompts_are_tokenized_as_trl_tokenizes_them(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Any,
    conversational: bool,
) -> None:
    prompt: Any = MESSAGES if conversational else PROMPTS[0]
    completion: Any = (
        [{"role": "assistant", "content": "반갑습니다"}] if conversational else " 서울입니다."
    )
    trainer = SFTTrainer(
        tiny_llama,
        SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none"),
        train_dataset=Dataset.from_list([{"prompt": prompt, "completion": completion}]),
        processing_class=tiny_tokenizer,
    )
    row = trainer.train_dataset[0]
    trained_on = [
        token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label == -100
    ]
    assert encode_prompt(tiny_tokenizer, prompt) == trained_on


def test_a_closing_eos_of_the_tokenizer_is_dropped_and_its_bos_kept(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    bare = tiny_tokenizer("세종")["input_ids"]
    tiny_tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert tiny_tokenizer("세종")["input_ids"] == [1, *bare, 2]
    assert encode_prompt(tiny_tokenizer, "세종") == [1, *bare]
    # an EOS that the prompt itself ends with stays
    assert encode_prompt(tiny_tokenizer, "세종</s>")[-1] == 2


def test_messages_get_the_generation_prompt_and_template_arguments(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    text = tiny_tokenizer.decode(encode_prompt(tiny_tokenizer, MESSAGES))
    assert text == "### user:\n안녕하세요\n### assistant:\n"
    template = "{{ messages[0]['content'] }}{{ mood }}{{ tools[0]['name'] }}"
    ids = encode_prompt(
        tiny_tokenizer,
        MESSAGES,
        chat_template=template,
        tools=[{"name": "f"}],
        chat_template_kwargs={"mood": "!"},
    )
    assert tiny_tokenizer.decode(ids) == "안녕하세요!f"


def test_room_for_a_prompt(tiny_llama: LlamaForCausalLM) -> None:
    assert room_for_prompt(tiny_llama, 56) == 200  # of 256 positions
    mamba = MambaForCausalLM(MambaConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1))
    assert room_for_prompt(mamba, 56) is None


def test_prompts_that_leave_no_room_are_errors_with_their_numbers(
    tiny_llama: LlamaForCausalLM,
) -> None:
    encoded = [[5] * 10, [5] * 193, [5] * 192, [5] * 250]  # 256 positions
    check_prompt_lengths(tiny_llama, encoded[:1] + encoded[2:3], 64)
    expected = (
        r"2 of 4 prompts .*first prompt 1 with 193 tokens, longest prompt 3 with 250: "
        r"its 256 positions .*=64 leave 192"
    )
    with pytest.raises(ValueError, match=expected):
        check_prompt_lengths(tiny_llama, encoded, 64)


def test_models_without_a_position_limit_take_any_length() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=8, hidden_size=4, num_hidden_layers=1))
    assert check_prompt_lengths(model, [[5] * 10_000], 64) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": ["가", ""]}, "prompt 1 has no tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens=0: it must be 1 or more"),
        ({"batch_size": 0}, "batch_size=0: it must be 1 or more"),
        ({"num_return_sequences": 2}, "'num_return_sequences' cannot be used here"),
        ({"return_dict_in_generate": True}, "'return_dict_in_generate' cannot be used here"),
        ({"max_length": 9}, "'max_length' cannot be used here"),
    ],
)
def test_unusable_arguments_are_errors(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    arguments: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        generate_completions(tiny_llama, tiny_tokenizer, **{"prompts": ["가"], **arguments})


def test_decoding_signature_names_what_decides_a_text(tiny_llama: LlamaForCausalLM) -> None:
    assert decoding_signature(tiny_llama, 64, {}) == "max_new_tokens:64|do_sample:False"
    tiny_llama.generation_config.repetition_penalty = 1.1
    tiny_llama.generation_config.do_sample = True
    tiny_llama.generation_config.temperature = 0.6
    assert decoding_signature(tiny_llama, 64, {"num_beams": 2}) == (
        "max_new_tokens:64|do_sample:False|num_beams:2|repetition_penalty:1.1"
    )
    assert decoding_signature(tiny_llama, 64, {"do_sample": True, "top_p": 0.9}) == (
        "max_new_tokens:64|do_sample:True|repetition_penalty:1.1|temperature:0.6|top_p:0.9"
    )


def test_greedy_ignores_the_models_sampling_settings(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    expected = generate_completions(tiny_llama, tiny_tokenizer, PROMPTS, max_new_tokens=5)
    sampling = copy.deepcopy(tiny_llama)
    sampling.generation_config.update(do_sample=True, temperature=5.0, top_p=0.5)
    assert generate_completions(sampling, tiny_tokenizer, PROMPTS, max_new_tokens=5) == expected
