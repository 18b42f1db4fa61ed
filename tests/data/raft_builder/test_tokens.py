from functools import partial

from transformers import PreTrainedTokenizerFast

from bitsft.data.format.raft import format_raft
from bitsft.data.raft_builder.tokens import TokenCounter

ROW = {"question": "수도는?", "context": ["서울은 수도이다.", "부산은 항구이다."], "answer": "서울"}


def test_text_rows_count_prompt_completion_and_end(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    shown = format_raft(ROW)
    text = str(shown["prompt"]) + str(shown["completion"]) + str(tiny_tokenizer.eos_token)
    expected = len(tiny_tokenizer(text)["input_ids"])
    assert TokenCounter(tiny_tokenizer, format_raft).of_row(ROW) == expected
    assert TokenCounter(tiny_tokenizer, lambda row: text).of_row(ROW) == expected
    assert TokenCounter(tiny_tokenizer, lambda row: {"text": text}).of_row(ROW) == expected


def test_messages_go_through_the_chat_template(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    tiny_tokenizer.chat_template = (
        "{% for m in messages %}### {{ m['role'] }}:\n{{ m['content'] }}\n{% endfor %}"
    )
    render = partial(format_raft, as_messages=True)
    shown = render(ROW)
    messages = shown["prompt"] + shown["completion"]  # type: ignore[operator]
    text = tiny_tokenizer.apply_chat_template(messages, tokenize=False)
    expected = len(tiny_tokenizer(text, add_special_tokens=False)["input_ids"])
    assert expected > 40
    assert TokenCounter(tiny_tokenizer, render).of_row(ROW) == expected
    assert TokenCounter(tiny_tokenizer, lambda row: {"messages": messages}).of_row(ROW) == expected


def test_the_tokenizer_is_left_as_it_was(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    backend = tiny_tokenizer.backend_tokenizer
    backend.enable_truncation(max_length=5)
    backend.enable_padding(length=9)
    before = (backend.truncation, backend.padding)
    assert TokenCounter(tiny_tokenizer, format_raft).of_row(ROW) > 20
    assert (backend.truncation, backend.padding) == before
