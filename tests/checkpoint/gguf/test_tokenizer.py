"""The GGUF vocabulary of a tokenizer: every field, every refusal, and the ids that llama.cpp finds with it."""

import copy
import importlib.metadata
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from bitsft.checkpoint.gguf.container import write_container
from bitsft.checkpoint.gguf.tokenizer import Vocabulary, vocabulary
from bitsft.scratch import train_tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

TEXTS = [
    "대한민국의 수도는 서울입니다. 한라산은 제주도에 있습니다.",
    "세종대왕은 1443년에 훈민정음을 만들었다. ㅋㅋㅋ 진짜?",
    "The quick brown fox doesn't jump; it's 3.14 and 1234567890!",
    "def f(x):\n    return x + 1  # 주석\n\n\nprint(f(41))\r\n",
]
PROBES = [
    "",
    " ",
    "   ",
    "\n",
    "\n\n \n",
    " 앞뒤 공백 ",
    "안녕하세요, 세계! Hello 세계123",
    "ㅋㅋㅋㅋ ㅠㅠ ㅎㅎ ㅏㅑ ㄱㄴㄷ",
    "한글과English섞어쓰기2024년7월",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # 한글 in NFD
    "🇰🇷 👨‍👩‍👧 😀가😀",
    "1 12 123 1234 12345 123456 1234567 12345678 123456789 1234567890",
    "I'll we're DON'T it's 'tis o'clock",
    "def f(x):\n\tif x > 0:\n        return {'a': [1, 2]}\n",
    "a  b   c    d\t\te \n f",
    "</s>문장<s> 다음<pad></s></s>",
    "中文 かな　全角 ｱﾊﾟｰﾄ é É ß ﬁ",
]


def fast(backend: Tokenizer, **tokens: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", **tokens)


def byte_level(
    merges: list[tuple[str, str]] | None = None, specials: tuple[str, ...] = ("</s>",), **model: Any
) -> Tokenizer:
    """A byte-level BPE: `specials`, then 256 bytes, then what `merges` make."""
    tokens = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += ["".join(pair) for pair in merges or []]
    backend = Tokenizer(
        models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges or [], **model)
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(specials))
    return backend


def sentencepiece_like(vocab_size: int = 500) -> Tokenizer:
    """What converting a SentencePiece BPE gives: byte tokens, and every pair that forms a token is a merge."""
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False)
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.train_from_iterator(TEXTS * 3, trainer)
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    learned = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
    learned = [token for token in learned if "\n" not in token or len(token) == 1]
    tokens = ["<unk>", "<s>", "</s>", *bytes_, *learned]
    vocab = {token: i for i, token in enumerate(tokens)}
    merges = [
        (token[:cut], token[cut:])
        for token in learned
        for cut in range(1, len(token))
        if token[:cut] in vocab and token[cut:] in vocab
    ]
    backend = Tokenizer(
        models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    backend.add_special_tokens(
        [AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")]
    )
    return backend


def write_vocabulary(words: Vocabulary, path: Path) -> None:
    sizes = {
        "llama.context_length": 64,
        "llama.embedding_length": 4,
        "llama.block_count": 1,
        "llama.feed_forward_length": 4,
        "llama.attention.head_count": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
    }
    write_container(path, "llama", {**sizes, **words.keys()}, [], [], progress=False)


def llama_cpp_ids(words: Vocabulary, folder: Path) -> Callable[..., list[int]]:
    """text -> ids, as llama.cpp finds them; `special=True` adds BOS and EOS as the file says."""
    llama_cpp = pytest.importorskip("llama_cpp")
    write_vocabulary(words, folder / "vocabulary.gguf")
    model = llama_cpp.Llama(str(folder / "vocabulary.gguf"), vocab_only=True, verbose=False)

    def ids(text: str, special: bool = False) -> list[int]:
        return list(model.tokenize(text.encode(), add_bos=special, special=True))

    return ids


# --- fields ---------------------------------------------------------------------------------------


def test_every_field_of_a_byte_level_tokenizer() -> None:
    backend = byte_level([("a", "b"), ("Ġ", "ab")], specials=("<pad>", "<s>", "</s>"))
    backend.add_tokens([AddedToken("<think>", normalized=False)])
    tokenizer = fast(backend, bos_token="<s>", pad_token="<pad>")
    tokenizer.chat_template = "{{ messages[0]['content'] }}"

    words = vocabulary(tokenizer, rows=264)

    assert (words.model, words.pre) == ("gpt2", "gpt-2")
    assert words.tokens[:4] == [b"<pad>", b"<s>", b"</s>", b"!"]
    assert words.tokens[258:] == [
        "Ń".encode(),
        b"ab",
        "Ġab".encode(),
        b"<think>",
        b"[PAD262]",
        b"[PAD263]",
    ]
    assert words.token_types[:4] == [CONTROL, CONTROL, CONTROL, NORMAL]
    assert words.token_types[258:] == [NORMAL, NORMAL, NORMAL, USER_DEFINED, UNUSED, UNUSED]
    assert words.merges == ["a b", "Ġ ab"]
    assert words.scores is None
    assert words.special_ids == {"bos": 1, "eos": 2, "pad": 0}
    assert (words.add_bos, words.add_eos, words.add_space_prefix) == (False, False, None)
    assert words.chat_template == "{{ messages[0]['content'] }}"


def test_every_field_of_a_sentencepiece_like_tokenizer() -> None:
    backend = sentencepiece_like()
    words = vocabulary(
        fast(backend, bos_token="<s>", unk_token="<unk>"), rows=len(backend.get_vocab())
    )

    assert (words.model, words.pre) == ("llama", "default")
    assert words.tokens[:4] == [b"<unk>", b"<s>", b"</s>", b"<0x00>"]
    assert words.token_types[:4] == [UNKNOWN, CONTROL, CONTROL, BYTE]
    assert words.token_types[258:260] == [BYTE, NORMAL]
    assert words.merges is None
    assert words.scores is not None
    first_learned = next(i for i, score in enumerate(words.scores) if score != 0.0)
    assert words.scores[first_learned] == -1.0  # the first pair has rank 0, so this is the second
    assert words.special_ids == {"bos": 1, "eos": 2, "unk": 0}
    assert (words.add_bos, words.add_eos, words.add_space_prefix) == (True, False, True)
    assert words.chat_template is None


def test_bos_and_eos_come_from_encoding_a_text() -> None:
    backend = byte_level(specials=("<s>", "</s>"))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    words = vocabulary(fast(backend), rows=258)  # it has no bos_token, but it does put one there
    assert words.special_ids == {"bos": 0, "eos": 1}
    assert (words.add_bos, words.add_eos) == (True, True)


def test_without_bos_its_id_is_that_of_eos() -> None:
    words = vocabulary(fast(byte_level(specials=("<x>", "</s>"))), rows=258)
    assert words.special_ids == {"bos": 1, "eos": 1}
    assert words.add_bos is False


def test_holes_in_the_vocabulary_are_unused_rows() -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: 2 * i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.add_special_tokens(["</s>"])
    rows = max(backend.get_vocab().values()) + 1
    words = vocabulary(fast(backend), rows=rows)
    assert words.tokens[:4] == [b"!", b"[PAD1]", b'"', b"[PAD3]"]
    assert words.token_types[:4] == [NORMAL, UNUSED, NORMAL, UNUSED]


def test_eot_is_the_added_token_that_ends_the_answer() -> None:
    tokenizer = fast(byte_level(specials=("</s>", "<|im_start|>", "<|im_end|>")))
    tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    assert vocabulary(tokenizer, rows=300).special_ids == {"bos": 0, "eos": 0, "eot": 2}
    tokenizer.add_tokens(["<|im"])  # the longer of the two that fit
    assert vocabulary(tokenizer, rows=300).special_ids["eot"] == 2
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
    assert vocabulary(tokenizer, rows=300).special_ids == {"bos": 0, "eos": 0}


def test_a_template_that_refuses_the_exchange_gives_no_eot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokenizer = fast(byte_level())
    tokenizer.chat_template = "{{ raise_exception('only tools') }}"
    assert vocabulary(tokenizer, rows=257).special_ids == {"bos": 0, "eos": 0}
    assert "refuses an exchange (only tools)" in caplog.text


def test_of_several_chat_templates_the_default_one() -> None:
    tokenizer = fast(byte_level())
    tokenizer.chat_template = {"rag": "R", "default": "D"}
    assert vocabulary(tokenizer, rows=257).chat_template == "D"
    tokenizer.chat_template = {"rag": "R"}
    with pytest.raises(ValueError, match=r"chat templates \['rag'\] and none named 'default'"):
        vocabulary(tokenizer, rows=257)


def test_a_template_with_bos_for_a_tokenizer_without_one_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokenizer = fast(byte_level())
    tokenizer.chat_template = "{{ bos_token }}{{ messages[-1]['content'] }}"
    vocabulary(tokenizer, rows=257)
    assert "uses bos_token and the tokenizer has none; llama.cpp puts '</s>' there" in caplog.text


def test_the_tokenizer_stays_as_it_is() -> None:
    tokenizer = train_tokenizer(TEXTS, vocab_size=300)
    tokenizer(["a", "b c d"], padding=True, truncation=True, max_length=3)  # leaves its mark inside
    before = tokenizer.backend_tokenizer.to_str()
    vocabulary(tokenizer, rows=len(tokenizer))
    assert tokenizer.backend_tokenizer.to_str() == before


def test_add_to_writes_every_key(tmp_path: Path) -> None:
    words = Vocabulary(
        model="llama",
        pre="default",
        tokens=[b"<s>", "가".encode()],
        token_types=[CONTROL, NORMAL],
        scores=[0.0, -1.5],
        merges=["x y"],
        special_ids={"bos": 0, "eos": 1, "unk": 0, "sep": 1, "pad": 0, "mask": 1, "eot": 1},
        add_bos=True,
        add_eos=False,
        add_space_prefix=True,
        chat_template="{{ x }}",
    )
    write_vocabulary(words, tmp_path / "v.gguf")
    fields = gguf.GGUFReader(tmp_path / "v.gguf").fields
    assert {key: field.contents() for key, field in fields.items() if "tokenizer." in key} == {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": ["<s>", "가"],
        "tokenizer.ggml.token_type": [CONTROL, NORMAL],
        "tokenizer.ggml.scores": [0.0, -1.5],
        "tokenizer.ggml.merges": ["x y"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.seperator_token_id": 1,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.mask_token_id": 1,
        "tokenizer.ggml.eot_token_id": 1,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.chat_template": "{{ x }}",
    }


# --- refusals and notes ---------------------------------------------------------------------------


def test_fewer_rows_than_tokens() -> None:
    with pytest.raises(ValueError, match="has 257 tokens and the embedding 256 rows: token 'Ń'"):
        vocabulary(fast(byte_level()), rows=256)


def test_a_token_with_the_name_of_an_unused_row() -> None:
    backend = byte_level(specials=("</s>", "[PAD258]"))
    with pytest.raises(ValueError, match=r"token '\[PAD258\]' is GGUF's name"):
        vocabulary(fast(backend), rows=300)


def test_slow_tokenizer() -> None:
    with pytest.raises(ValueError, match="PreTrainedTokenizerBase is a slow tokenizer"):
        vocabulary(PreTrainedTokenizerBase(), rows=10)


def test_other_models_than_bpe() -> None:
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0), ("</s>", -2.0)], unk_id=0))
    with pytest.raises(ValueError, match=r"model\.type is Unigram"):
        vocabulary(fast(unigram), rows=3)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"dropout": 0.1}, r"model\.dropout is 0\.1: .* Set it to None"),
        ({"end_of_word_suffix": "</w>"}, r"model\.end_of_word_suffix is '</w>'"),
        ({"continuing_subword_prefix": "##"}, r"model\.continuing_subword_prefix is '##'"),
    ],
)
def test_options_of_bpe_that_llama_cpp_lacks(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vocabulary(fast(byte_level(**option)), rows=257)


def test_space_before_the_text() -> None:
    backend = byte_level()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    with pytest.raises(ValueError, match="add_prefix_space=True"):
        vocabulary(fast(backend), rows=257)


@pytest.mark.parametrize(
    "normalizer", [normalizers.Lowercase(), normalizers.NFKC(), normalizers.NFD()]
)
def test_normalizers_that_llama_cpp_lacks(normalizer: Any) -> None:
    backend = byte_level()
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizer])
    with pytest.raises(ValueError, match=f"normalizer: {type(normalizer).__name__} changes text"):
        vocabulary(fast(backend), rows=257)


def test_missing_bytes(caplog: pytest.LogCaptureFixture) -> None:
    alphabet = [c for c in sorted(pre_tokenizers.ByteLevel.alphabet()) if c != "z"]
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    with pytest.raises(ValueError, match="lacks 1 bytes .such as 0x7A"):
        vocabulary(fast(backend), rows=300)
    alphabet = [c for c in sorted(pre_tokenizers.ByteLevel.alphabet()) if c != "ñ"]
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary(fast(backend), rows=300)
    assert "lacks bytes 0xF1" in caplog.text


def test_merges_with_a_space() -> None:
    backend = byte_level()
    spec = backend.to_str().replace('"Ń":256', '"Ń":256,"a b":257,"a bc":258')
    spec = spec.replace('"merges":[]', '"merges":[["a b","c"]]')
    with pytest.raises(ValueError, match="holds a space"):
        vocabulary(fast(Tokenizer.from_str(spec)), rows=300)


def test_neither_bytes_nor_byte_fallback() -> None:
    backend = Tokenizer(models.BPE(vocab={"a": 0, "</s>": 1}, merges=[], unk_token="a"))
    with pytest.raises(ValueError, match="<0x00> is missing"):
        vocabulary(fast(backend), rows=2)
    backend = sentencepiece_like()
    backend.model.byte_fallback = False
    with pytest.raises(ValueError, match="nor byte_fallback, so some text has no tokens"):
        vocabulary(fast(backend), rows=1000)


def test_no_eos_token() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level())
    with pytest.raises(ValueError, match=r"no EOS token.*Set tokenizer\.eos_token"):
        vocabulary(tokenizer, rows=257)


@pytest.mark.parametrize("single", ["<s> <s> $A", "$A <s>"])
def test_post_processors_that_llama_cpp_lacks(single: str) -> None:
    backend = byte_level(specials=("<s>", "</s>"))
    backend.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[("<s>", 0)]
    )
    with pytest.raises(ValueError, match="llama.cpp can put one token before it and EOS"):
        vocabulary(fast(backend), rows=258)


def test_flags_of_added_tokens_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    backend = byte_level()
    backend.add_tokens([AddedToken("<a>", lstrip=True), AddedToken("<b>", single_word=True)])
    vocabulary(fast(backend), rows=300)
    assert "1 have lstrip=True (such as '<a>')" in caplog.text
    assert "1 have single_word=True (such as '<b>')" in caplog.text
    assert "normalized" not in caplog.text


def test_nothing_is_logged_for_a_plain_tokenizer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        vocabulary(train_tokenizer(TEXTS, vocab_size=300), rows=400)
    assert caplog.text == ""


# --- llama.cpp finds the same ids -----------------------------------------------------------------

any_text = st.lists(
    st.sampled_from(
        [*"aZ '’\n\r\t09.,!-_(가힣ㅋㅏé中の😀", "  ", "</s>", "\u1161", "<s>", "의 ", "'s"]
    ),
    max_size=12,
).map("".join)


def compare(tokenizer: PreTrainedTokenizerFast, ids: Callable[..., list[int]]) -> None:
    """Over the probes, and over generated strings; with and without what goes around a text."""

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(any_text)
    def generated(text: str) -> None:
        assert ids(text) == tokenizer(text, add_special_tokens=False)["input_ids"]

    generated()
    for text in [*PROBES, *TEXTS]:
        assert ids(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text
        assert ids(text, special=True) == tokenizer(text)["input_ids"], text


def test_llama_cpp_agrees_on_a_scratch_tokenizer(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, vocab_size=400)
    tokenizer.add_tokens(["<think>", "</think>"])
    ids = llama_cpp_ids(vocabulary(tokenizer, rows=len(tokenizer) + 10), tmp_path)
    compare(tokenizer, ids)
    chat = [
        {"role": "user", "content": "수도는?<think>"},
        {"role": "assistant", "content": "서울 </s> 입니다.\n"},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    expected = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.eos_token_id in expected
    assert ids(text) == expected


def test_llama_cpp_agrees_on_bos_and_eos(tmp_path: Path) -> None:
    backend = copy.deepcopy(train_tokenizer(TEXTS, vocab_size=350).backend_tokenizer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer = fast(backend, bos_token="<s>")
    compare(tokenizer, llama_cpp_ids(vocabulary(tokenizer, rows=400), tmp_path))


@pytest.mark.parametrize("kind", ["llama", "gemma", "metaspace"])
def test_llama_cpp_agrees_on_sentencepiece_like_tokenizers(kind: str, tmp_path: Path) -> None:
    backend = sentencepiece_like()
    if kind == "gemma":
        backend.normalizer = normalizers.Replace(" ", "▁")
        backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    elif kind == "metaspace":
        backend.normalizer = normalizers.Sequence([])
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer = fast(backend, bos_token="<s>", unk_token="<unk>")
    words = vocabulary(tokenizer, rows=len(tokenizer) + 1)
    assert words.add_space_prefix is (kind == "llama")
    compare(tokenizer, llama_cpp_ids(words, tmp_path))


def test_added_runs_of_spaces_print_as_spaces(tmp_path: Path) -> None:
    """Gemma's way: tokens of several "▁" that are also added tokens."""
    backend = sentencepiece_like()
    backend.normalizer = normalizers.Replace(" ", "▁")
    run, spaced = backend.token_to_id("▁▁"), "a  b    c"
    backend.add_tokens([AddedToken("▁▁", normalized=False), AddedToken("\n\n", normalized=False)])
    tokenizer = fast(backend, bos_token="<s>", unk_token="<unk>")
    words = vocabulary(tokenizer, rows=1000)
    assert words.token_types[run] == NORMAL
    assert words.token_types[backend.token_to_id("\n\n")] == USER_DEFINED
    ids = llama_cpp_ids(words, tmp_path)
    for text in [spaced, "\n\n\n x", *PROBES]:
        assert ids(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text


@pytest.mark.parametrize(
    ("template", "same", "different"),
    [
        (None, ["안녕 하세요", "a b"], [" 안녕", "<s>안녕"]),
        ("{{ '<s>' + messages[-1]['content'] }}", ["<s>안녕 a</s>b", " 안녕"], ["안녕"]),
    ],
)
def test_llama_cpp_s_rule_for_the_leading_space(
    template: str | None, same: list[str], different: list[str], tmp_path: Path
) -> None:
    """What `pre_tokenizer="default"` accepts, for the tokenizers that transformers 5 builds for Llama 2."""
    backend = sentencepiece_like()
    backend.normalizer = normalizers.Sequence([])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer = fast(backend, bos_token="<s>", unk_token="<unk>")
    tokenizer.chat_template = template
    with pytest.raises(ValueError, match='pass pre_tokenizer="default"'):
        vocabulary(tokenizer, rows=1000)
    ids = llama_cpp_ids(vocabulary(tokenizer, rows=1000, pre_tokenizer="default"), tmp_path)
    for text in same:
        assert ids(text) == tokenizer(text, add_special_tokens=False)["input_ids"], text
    for text in different:
        assert ids(text) != tokenizer(text, add_special_tokens=False)["input_ids"], text


def test_llama_cpp_does_not_compose_hangul(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Why the NFC note is there: composed text agrees, decomposed text does not."""
    backend = copy.deepcopy(train_tokenizer(TEXTS, vocab_size=350).backend_tokenizer)
    backend.normalizer = normalizers.NFC()
    tokenizer = fast(backend)
    ids = llama_cpp_ids(vocabulary(tokenizer, rows=400), tmp_path)
    assert "decomposed Hangul (as macOS writes it) gets other ids there" in caplog.text
    composed, decomposed = "한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"
    assert ids(composed) == tokenizer(composed)["input_ids"] == tokenizer(decomposed)["input_ids"]
    assert ids(decomposed) != tokenizer(decomposed)["input_ids"]


def test_transformers_reads_the_vocabulary_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # transformers cannot find gguf's version by itself on Python 3.10 (importlib.metadata there)
    monkeypatch.setattr(gguf, "__version__", importlib.metadata.version("gguf"), raising=False)
    tokenizer = train_tokenizer(TEXTS, vocab_size=400)
    write_vocabulary(vocabulary(tokenizer, rows=len(tokenizer)), tmp_path / "v.gguf")
    back = AutoTokenizer.from_pretrained(tmp_path, gguf_file="v.gguf")
    assert (
        back.bos_token == "<s>"
    )  # transformers 5.0 gives the id of BOS to EOS, too, and has no PAD
    assert back.chat_template == tokenizer.chat_template
    for text in [*PROBES, *TEXTS]:
        expected = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert back(text, add_special_tokens=False)["input_ids"] == expected, text
