import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from bitsft.data.budget import token_budget
from bitsft.data.report.pairs import Pair
from bitsft.data.report.tokens import Tokens

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "### {{ m.role }}:\n{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}### assistant:\n{% endif %}"
)
CHAT = Pair(
    [{"role": "user", "content": "안녕하세요"}], [{"role": "assistant", "content": "반갑습니다"}]
)


@pytest.fixture
def tokens(tiny_tokenizer: PreTrainedTokenizerFast) -> Tokens:
    tiny_tokenizer.chat_template = None
    return Tokens(tiny_tokenizer)


def test_completion_and_end_of_sequence_are_learned(tokens: Tokens) -> None:
    pieces = tokens.pieces(Pair("zqzq", "xzx"))
    assert [(p.text, p.learned, p.tokens, p.special) for p in pieces] == [
        ("z", False, 1, False),
        ("q", False, 1, False),
        ("z", False, 1, False),
        ("q", False, 1, False),
        ("x", True, 1, False),
        ("z", True, 1, False),
        ("x", True, 1, False),
        ("</s>", True, 1, True),
    ]
    assert tokens.count([Pair("zqzq", "xzx"), Pair("z", "q")]) == [(4, 8), (1, 3)]


def test_a_character_of_several_tokens_is_one_piece(tokens: Tokens) -> None:
    pieces = tokens.pieces(Pair("z", "쀍"))  # three bytes that no training text had
    assert [(p.text, p.tokens) for p in pieces] == [("z", 1), ("쀍", 3), ("</s>", 1)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_pieces_are_the_text_and_all_tokens(tokens: Tokens, prompt: str, answer: str) -> None:
    pair = Pair(prompt, answer)
    pieces = tokens.pieces(pair)
    assert "".join(p.text for p in pieces) == prompt + answer.removesuffix("</s>") + "</s>"
    ((masked, total),) = tokens.count([pair])
    assert sum(p.tokens for p in pieces) == total
    assert masked <= total


def test_the_counts_are_those_of_the_token_budget(tokens: Tokens) -> None:
    pairs = [Pair("### 질문: 수도는?\n\n### 답변:", " 서울입니다."), Pair("질문:", " 답")]
    budget = token_budget([pair._asdict() for pair in pairs], tokens.tokenizer, None)
    assert max(total for _, total in tokens.count(pairs)) == budget.longest


def test_half_a_surrogate_pair_is_no_error(tokens: Tokens) -> None:
    assert tokens.count([Pair("z\ud83d", "q")]) == tokens.count([Pair("z?", "q")])
    assert tokens.pieces(Pair("z\ud83d", "q"))[1].text == "?"


def test_messages_need_a_chat_template(tokens: Tokens) -> None:
    assert not tokens.can_read(CHAT)
    tokens.tokenizer.chat_template = TEMPLATE
    assert tokens.can_read(CHAT)
    pieces = tokens.pieces(CHAT)
    prompt = "".join(p.text for p in pieces if not p.learned)
    assert prompt == "### user:\n안녕하세요\n### assistant:\n"
    assert "".join(p.text for p in pieces if p.learned) == "반갑습니다\n"
    mixed = [Pair("z", "q"), CHAT, Pair("z", "q")]
    assert [tokens.count([pair])[0] for pair in mixed] == tokens.count(mixed)


def test_a_template_that_refuses_a_message(tokens: Tokens) -> None:
    tokens.tokenizer.chat_template = TEMPLATE
    pair = Pair([{"role": "system", "content": "너는"}, *CHAT.prompt], CHAT.completion)
    with pytest.raises(ValueError, match=r"refuses messages with the roles \['system', 'user'\]"):
        tokens.pieces(pair)


def test_the_callers_tokenizer_stays_as_it_was(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    tiny_tokenizer.backend_tokenizer.enable_truncation(7)
    before = tiny_tokenizer.backend_tokenizer.to_str()
    Tokens(tiny_tokenizer).count([Pair("가나다라마바사" * 9, "x")])
    assert tiny_tokenizer.backend_tokenizer.to_str() == before
