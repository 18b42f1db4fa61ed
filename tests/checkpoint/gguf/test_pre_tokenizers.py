"""Which llama.cpp pre-tokenizer a tokenizer.json has: by what it does, and checked against llama.cpp."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from transformers import PreTrainedTokenizerFast

from bitsft.checkpoint.gguf import pre_tokenizers as table
from bitsft.checkpoint.gguf.pre_tokenizers import (
    merge_scores,
    pre_tokenizer_name,
    sentencepiece_prefix,
    split_steps,
)
from bitsft.checkpoint.gguf.tokenizer import vocabulary
from tests.checkpoint.gguf.test_tokenizer import PROBES, TEXTS, byte_level, llama_cpp_ids


def cut(*patterns: str, behavior: str = "isolated", invert: bool = False) -> Any:
    """Split after split, then bytes: the usual shape of a tokenizer.json."""
    splits = [pre.Split(Regex(pattern), behavior, invert) for pattern in patterns]
    return pre.Sequence([*splits, pre.ByteLevel(add_prefix_space=False, use_regex=False)])


GPT2_BYTES = pre.ByteLevel(add_prefix_space=False, use_regex=True)
# The patterns as published tokenizer.json files have them, not as the table builds them.
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = (
    CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = (
    CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
)
BAILING = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+"
)
SEED_CODER = (
    CONTRACTION
    + "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)
EXAONE_MOE = (
    CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]"
    + r"|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DIGITS = pre.Digits(individual_digits=True)
DEEPSEEK_CODER = pre.Sequence(
    [
        *(
            pre.Split(Regex(p), "isolated")
            for p in ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")
        ),
        DIGITS,
        pre.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
)

EXACT = {
    "gpt-2": (GPT2_BYTES, False),
    "smollm": (pre.Sequence([DIGITS, GPT2_BYTES]), False),  # SmolLM, EXAONE 3, StarCoder
    "llama-bpe": (cut(LLAMA3), True),
    "dbrx": (cut(LLAMA3, behavior="removed", invert=True), False),  # OLMo 2, Phi-4, Granite
    "qwen2": (cut(QWEN2), False),
    "qwen35": (cut(QWEN35), False),
    "deepseek-v3": (cut(*DEEPSEEK_V3), False),
    "bailingmoe": (cut(BAILING), False),
    "seed-coder": (cut(SEED_CODER), False),
    "exaone-moe": (cut(EXAONE_MOE), False),
    "minicpm5": (cut(r"\p{N}{1,3}", LLAMA3.replace("{1,3}", "+")), True),
}
APPROXIMATE = {
    "tekken": (cut(TEKKEN), True),
    "gpt-4o": (cut(GPT4O), False),
    "deepseek-coder": (DEEPSEEK_CODER, False),
}

PIECES = [
    *"aAzS '’\n\r\t09.,!/-_$(한글ㅋㅏéß中の€½Ⅷ😀…。",
    "  ",
    "\r\n",
    "'s",
    "'LL",
    "'Re",
    "\u1112\u1161",
]
PIECES += ["\u0301", "ไ", "่", "ि", "\u00a0", "\u3000", "\u2028", "\u200d", "²", "٣"]


def pairs_tokenizer(pre_tokenizer: Any, ignore_merges: bool) -> PreTrainedTokenizerFast:
    """Every pair of bytes that the texts hold is a token: a cut in the wrong place changes the ids."""
    seen = "".join([*PIECES, *PROBES, *TEXTS, "рМир"])
    spelled = pre.ByteLevel(add_prefix_space=False, use_regex=False)
    letters = sorted({c for word, _ in spelled.pre_tokenize_str(seen) for c in word})
    merges = [(left, right) for left in letters for right in letters]
    random.Random(0).shuffle(merges)
    tokens = ["</s>", *sorted(pre.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    vocab = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    backend.pre_tokenizer = pre_tokenizer
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")


def spec_of(pre_tokenizer: Any, **model: Any) -> tuple[dict[str, Any], Tokenizer]:
    backend = byte_level(**model)
    backend.pre_tokenizer = pre_tokenizer
    return json.loads(backend.to_str()), backend


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_name_of_each_family(name: str) -> None:
    pre_tokenizer, ignore_merges = EXACT[name]
    assert pre_tokenizer_name(*spec_of(pre_tokenizer, ignore_merges=ignore_merges), None) == name


def test_every_family_is_tested_here() -> None:
    names = {n for f in table.FAMILIES.values() for n in (f.plain, f.whole_words) if n}
    assert names == {*EXACT, *APPROXIMATE}
    inexact = {f.plain or f.whole_words for f in table.FAMILIES.values() if f.differs}
    assert inexact == {*APPROXIMATE}


@pytest.mark.parametrize("name", APPROXIMATE)
def test_families_that_llama_cpp_only_approximates_need_a_word(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    pre_tokenizer, ignore_merges = APPROXIMATE[name]
    spec, backend = spec_of(pre_tokenizer, ignore_merges=ignore_merges)
    with pytest.raises(ValueError, match=f"llama.cpp's '{name}' is not quite this way to cut text"):
        pre_tokenizer_name(spec, backend, None)
    assert pre_tokenizer_name(spec, backend, name) == name
    assert f"GGUF pre-tokenizer {name!r}: llama.cpp" in caplog.text


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        cut(r"\p{L}+|\s+"),
        cut(r"\p{N}{1,2}", LLAMA3),
        pre.Sequence(
            [pre.Split(Regex(r"\p{N}"), "removed", True), GPT2_BYTES]
        ),  # keeps digits only
        cut(LLAMA3, behavior="merged_with_next"),
        pre.Sequence([GPT2_BYTES, DIGITS]),  # sees bytes, not digits
        pre.Sequence([pre.Punctuation(), GPT2_BYTES]),
        pre.ByteLevel(add_prefix_space=False, use_regex=False),
        pre.Sequence([pre.Split("a", "isolated"), GPT2_BYTES]),
    ],
)
def test_unknown_ways_to_cut_are_refused(pre_tokenizer: Any) -> None:
    spec, backend = spec_of(pre_tokenizer)
    with pytest.raises(ValueError, match=r"28003 tokens instead of 25951.*--gguf-pre-tokenizer"):
        pre_tokenizer_name(spec, backend, None)


def test_the_error_shows_the_pattern() -> None:
    with pytest.raises(ValueError) as error:
        pre_tokenizer_name(*spec_of(cut(r"\d+|\D")), None)
    assert r"'\\d+|\\D'" in str(error.value)


def test_a_name_given_by_the_user_is_used_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    spec, backend = spec_of(cut(r"\p{L}+|\s+"))
    assert pre_tokenizer_name(spec, backend, "poro-chat") == "poro-chat"
    assert "'poro-chat' is used as given, not compared" in caplog.text


def test_a_name_given_by_the_user_that_is_right_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert pre_tokenizer_name(*spec_of(GPT2_BYTES), "gpt-2") == "gpt-2"
    assert caplog.text == ""


def test_ignore_merges_without_a_name_for_it() -> None:
    reached, backend = spec_of(cut(QWEN2), merges=[("a", "b"), ("ab", "c")], ignore_merges=True)
    assert pre_tokenizer_name(reached, backend, None) == "qwen2"  # merges lead to every token

    # "abc" is a token, but its merges lead to "a" + "bc"
    spec, backend = spec_of(
        cut(QWEN2), merges=[("b", "c"), ("a", "b"), ("ab", "c")], ignore_merges=True
    )
    with pytest.raises(ValueError, match=r"model\.ignore_merges is True: llama.cpp's 'qwen2'"):
        pre_tokenizer_name(spec, backend, None)
    assert pre_tokenizer_name(spec, backend, "qwen2") == "qwen2"


def test_steps_of_nested_sequences() -> None:
    nested = {"type": "Sequence", "pretokenizers": [spec_of(cut(LLAMA3))[0]["pre_tokenizer"]]}
    assert split_steps(nested) == (LLAMA3,)
    assert split_steps(None) is None


# --- SentencePiece --------------------------------------------------------------------------------

REPLACE = normalizers.Replace(" ", "▁")
PREPEND = normalizers.Prepend("▁")


def sentencepiece_spec(normalizer: Any, pre_tokenizer: Any, *tokens: str) -> dict[str, Any]:
    backend = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[]))
    backend.normalizer = normalizer
    if pre_tokenizer is not None:
        backend.pre_tokenizer = pre_tokenizer
    return json.loads(backend.to_str())


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "prefix"),
    [
        (normalizers.Sequence([PREPEND, REPLACE]), None, True),
        (normalizers.Sequence([REPLACE, PREPEND]), None, True),
        (REPLACE, None, False),
        (REPLACE, pre.Split(" ", "merged_with_previous"), False),
        (REPLACE, pre.Split(Regex(" "), "merged_with_previous"), False),
        (normalizers.Sequence([]), pre.Metaspace(prepend_scheme="never", split=False), False),
        (normalizers.Sequence([]), pre.Metaspace(prepend_scheme="never", split=True), False),
    ],
)
def test_space_prefix(normalizer: Any, pre_tokenizer: Any, prefix: bool) -> None:
    spec = sentencepiece_spec(normalizer, pre_tokenizer, "▁", "a", "▁a")
    assert sentencepiece_prefix(spec, None, False) is prefix
    assert sentencepiece_prefix(spec, "default", True) is prefix


@pytest.mark.parametrize(
    ("scheme", "chat_starts_special", "prefix"),
    [
        ("first", False, True),
        ("first", True, False),
        ("always", False, True),
        ("always", True, True),
    ],
)
def test_metaspace_rules_need_a_word(
    scheme: str, chat_starts_special: bool, prefix: bool, caplog: pytest.LogCaptureFixture
) -> None:
    metaspace = pre.Metaspace(prepend_scheme=scheme, split=False)
    spec = sentencepiece_spec(normalizers.Sequence([]), metaspace, "▁", "a")
    with pytest.raises(
        ValueError, match=f"prepend_scheme '{scheme}' .* pass pre_tokenizer=\"default\""
    ):
        sentencepiece_prefix(spec, None, chat_starts_special)
    assert sentencepiece_prefix(spec, "default", chat_starts_special) is prefix
    assert f"add_space_prefix is {prefix}: llama.cpp's rule" in caplog.text


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer"),
    [
        (normalizers.Sequence([normalizers.NFKC(), REPLACE]), None),
        (normalizers.Sequence([PREPEND, PREPEND, REPLACE]), None),
        (normalizers.Sequence([normalizers.Prepend(" "), REPLACE]), None),
        (REPLACE, pre.Whitespace()),
        (REPLACE, pre.Split("▁", "isolated")),
        (normalizers.Sequence([]), None),
        (normalizers.Sequence([]), pre.Metaspace(replacement="_", prepend_scheme="never")),
    ],
)
def test_other_changes_to_the_text_are_refused(normalizer: Any, pre_tokenizer: Any) -> None:
    spec = sentencepiece_spec(normalizer, pre_tokenizer, "▁", "a")
    with pytest.raises(ValueError, match="llama.cpp does nothing like normalizer"):
        sentencepiece_prefix(spec, None, False)


def test_tokens_across_a_cut_that_llama_cpp_does_not_make() -> None:
    metaspace = pre.Metaspace(prepend_scheme="never", split=True)
    spec = sentencepiece_spec(normalizers.Sequence([]), metaspace, "▁", "a", "a▁")
    with pytest.raises(ValueError, match="the token 'a▁' goes across one"):
        sentencepiece_prefix(spec, None, False)


def test_sentencepiece_has_one_pre_tokenizer() -> None:
    with pytest.raises(
        ValueError, match="pre_tokenizer='llama-bpe'.* the one pre-tokenizer 'default'"
    ):
        sentencepiece_prefix(sentencepiece_spec(REPLACE, None, "a"), "llama-bpe", False)


def vocab_of(*tokens: str) -> dict[str, int]:
    return {token: i for i, token in enumerate(tokens)}


def test_scores_are_ranks() -> None:
    vocab = vocab_of("a", "b", "c", "ab", "abc", "bc", "<s>")
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]
    assert merge_scores(vocab, merges, {"<s>"}) == {"ab": 0.0, "bc": -1.0, "abc": -2.0}


def test_a_pair_that_forms_a_token_and_is_no_merge() -> None:
    vocab = vocab_of("a", "b", "c", "ab", "abc", "bc")
    merges = [("a", "b"), ("b", "c"), ("ab", "c")]
    with pytest.raises(ValueError, match=r"1 pairs of tokens, such as \('a', 'bc'\)"):
        merge_scores(vocab, merges, set())
    assert merge_scores(vocab, merges, {"bc"})["abc"] == -2.0  # cut out before any merge


def test_a_character_that_is_no_token_counts_as_a_neighbour() -> None:
    with pytest.raises(ValueError, match=r"such as \('a', 'b'\)"):
        merge_scores(vocab_of("a", "ab"), [], set())


def test_mixed_pairs_have_no_score() -> None:
    vocab = vocab_of("a", "b", "c", "d", "ab", "bc", "abc", "cd", "bcd")
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("c", "d"), ("a", "bc")]
    with pytest.raises(ValueError, match="pairs for 'abc' stand before and after one for 'cd'"):
        merge_scores(vocab, merges, set())


def test_runs_of_one_character_share_a_score() -> None:
    vocab = vocab_of("▁", "▁▁", "▁▁▁", "▁▁▁▁")
    merges = [("▁", "▁"), ("▁▁▁", "▁"), ("▁▁", "▁▁"), ("▁▁", "▁"), ("▁", "▁▁▁"), ("▁", "▁▁")]
    assert merge_scores(vocab, merges, set()) == {"▁▁": 0.0, "▁▁▁▁": -1.0, "▁▁▁": -1.0}


# --- llama.cpp cuts alike -------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_llama_cpp_cuts_alike(name: str, tmp_path: Path) -> None:
    tokenizer = pairs_tokenizer(*EXACT[name])
    words = vocabulary(tokenizer, rows=len(tokenizer))
    assert words.pre == name
    ids = llama_cpp_ids(words, tmp_path)

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
    def generated(text: str) -> None:
        assert ids(text) == tokenizer(text)["input_ids"]

    generated()
    for text in [*PROBES, *TEXTS]:
        assert ids(text) == tokenizer(text)["input_ids"], text


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("tekken", "рМир"),
        ("gpt-4o", "рМир"),
        ("deepseek-coder", "中　a"),
    ],
)
def test_what_llama_cpp_approximates(name: str, differs: str, tmp_path: Path) -> None:
    """The note about each is true: other ids there, the same for Korean, English and code."""
    tokenizer = pairs_tokenizer(*APPROXIMATE[name])
    ids = llama_cpp_ids(vocabulary(tokenizer, len(tokenizer), pre_tokenizer=name), tmp_path)
    for text in [*TEXTS, *PROBES[:10], *PROBES[11:16]]:
        assert ids(text) == tokenizer(text)["input_ids"], text
    assert ids(differs) != tokenizer(differs)["input_ids"]


def test_a_wrong_name_gives_other_ids(tmp_path: Path) -> None:
    """Why names are not guessed; and that these texts would show it."""
    tokenizer = pairs_tokenizer(*EXACT["qwen2"])
    ids = llama_cpp_ids(vocabulary(tokenizer, len(tokenizer), pre_tokenizer="default"), tmp_path)
    assert any(ids(text) != tokenizer(text)["input_ids"] for text in TEXTS)
