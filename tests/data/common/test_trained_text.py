from transformers import PreTrainedTokenizerFast

from bitsft.data.common.trained_text import chat_text, ids_of, in_common, with_eos

TEMPLATE = (
    "{% if tools %}{{ tools[0]['name'] }}|{% endif %}{% if tone %}{{ tone }}|{% endif %}"
    "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def test_the_end_of_sequence_stands_once(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    eos = str(tiny_tokenizer.eos_token)
    assert with_eos(tiny_tokenizer, "가") == f"가{eos}"
    assert with_eos(tiny_tokenizer, f"가{eos}") == f"가{eos}"


def test_messages_of_both_forms(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    tiny_tokenizer.chat_template = TEMPLATE
    messages = [{"role": "user", "content": "가?"}, {"from": "assistant", "value": "나"}]
    assert chat_text(tiny_tokenizer, {}, messages) == "user:가?\nassistant:나\n"
    row = {"tools": '[{"name": "계산기"}]', "chat_template_kwargs": {"tone": "높임"}}
    shown = chat_text(tiny_tokenizer, row, messages[:1], generation_prompt=True)
    assert shown == "계산기|높임|user:가?\nassistant:"


def test_where_the_prompt_ends() -> None:
    assert in_common([1, 2], [1, 2, 3]) == 2
    assert in_common([1, 2, 9], [1, 2, 3, 4]) == 2
    assert in_common([], [1]) == in_common([1], []) == 0


def test_ids_of_many_texts(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    texts = ["가", "나다라"]
    plain = ids_of(tiny_tokenizer, texts, add_special_tokens=False)
    assert [tiny_tokenizer.decode(ids) for ids in plain] == texts
    assert ids_of(tiny_tokenizer, texts) == [tiny_tokenizer(text)["input_ids"] for text in texts]
