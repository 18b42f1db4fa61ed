"""The tokens of a prompt must not change when the completion is appended to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from bitsft.data.format.koalpaca import format_koalpaca
from bitsft.data.format.prompt_completion import as_conversation, as_text, check_system
from bitsft.data.format.raft import format_raft

# The pattern of Llama 3's tokenizer.json; Qwen 2 and 3 differ in the digits only.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "### 답변:서울",
    "### 답변:\n서울",
    "### 답변: 서울",
    "### 답변: (서울)",
    "(응답):(서울)",
] * 20


def train(pre_tokenizer: pre_tokenizers.PreTokenizer) -> Tokenizer:
    """Train BPE on texts that join colons to all that may follow, where the pattern lets them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


TOKENIZERS = {
    "gpt2": train(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "llama3": train(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    ),
}


def is_stable(tokenizer: Tokenizer, prompt: str, completion: str) -> bool:
    prompt_ids = tokenizer.encode(prompt).ids
    return tokenizer.encode(prompt + completion).ids[: len(prompt_ids)] == prompt_ids


ANSWER = st.text(st.sampled_from("서울ab1.(\"'-*#<: \n\t"), min_size=1).filter(str.strip)


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
@settings(max_examples=60, derandomize=True)
@given(answer=ANSWER)
def test_the_boundary_is_stable(name: str, answer: str) -> None:
    koalpaca = {"instruction": "질문", "output": answer}
    raft = {"question": "질문", "context": "글", "answer": answer}
    rows = [
        format_koalpaca(koalpaca),
        format_koalpaca(koalpaca, template="v1.0"),
        format_raft(raft),
        format_raft(raft, language="en"),
    ]
    for row in rows:
        assert is_stable(TOKENIZERS[name], row["prompt"], row["completion"])
        assert row["completion"].startswith(" ") and row["completion"][1:].strip()


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [("### 답변:", "서울"), ("### 답변:", "\n서울"), ("### 답변: ", "서울"), ("(응답):", "(서울)")],
)
def test_the_other_ways_to_separate_are_not(prompt: str, completion: str) -> None:
    assert not is_stable(TOKENIZERS["llama3"], prompt, completion)


def test_as_text_and_as_conversation() -> None:
    assert as_text("### 답변:", "서울") == {"prompt": "### 답변:", "completion": " 서울"}
    assert as_conversation("수도는?", "서울", None) == {
        "prompt": [{"role": "user", "content": "수도는?"}],
        "completion": [{"role": "assistant", "content": "서울"}],
    }


def test_a_system_message_needs_messages() -> None:
    check_system("답하세요.", True)
    check_system(None, False)
    with pytest.raises(ValueError, match="system needs as_messages=True"):
        check_system("답하세요.", False)
