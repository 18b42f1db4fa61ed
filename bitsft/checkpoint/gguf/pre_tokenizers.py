r"""How a tokenizer.json cuts text, in llama.cpp's words: exact, or refused.

llama.cpp runs no tokenizer.json: it knows names (`tokenizer.ggml.pre`), each with regular expressions in its
own source, and one SentencePiece tokenizer that merges by score. A name that does not fit still loads and
the ids are wrong, so the name follows from what the tokenizer does, never from what the model is called.

Byte-level BPE. The pre-tokenizer becomes a tuple of regular expressions, applied one after the other, and
`FAMILIES` maps it to llama.cpp's name. Patterns: as published tokenizer.json files have them; names:
`llm_tokenizer_bpe` in llama.cpp's src/llama-vocab.cpp. A family has no `differs` note when 60000 random
strings of 1 to 14 pieces (Korean, Latin, marks, spaces, symbols, emoji) gave the same ids, but for one, in
a vocabulary of all 65536 byte pairs, which makes nearly every wrong cut visible. Known limits: code points
younger than llama.cpp's Unicode tables, and that one, `'ſ` (U+017F), which `(?i:'s)` matches in
`tokenizers` alone.

SentencePiece-like BPE (`model="llama"`). llama.cpp joins the two neighbours whose joined text is the token
with the best score, `tokenizers` those that stand first in a list of pairs. The two agree when every pair
that forms a token is in the list and the pairs of one token stand together (`merge_scores` checks both);
the score is then minus the rank. Measured, not proved: where pairs of one token compete in a word, llama.cpp
takes the leftmost and `tokenizers` the first in the list (0 of 21000 texts differ with Llama 2's vocabulary).
"""

import logging
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

SPACE = "▁"
"""What SentencePiece writes for a space (U+2581)."""

_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORD = _CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+"
_SYMBOLS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEFORE_WORD = r"[^\r\n\p{L}\p{N}]?"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = _WORD + r"|\p{N}{1,3}" + _SYMBOLS + _SPACES
QWEN2 = _WORD + r"|\p{N}" + _SYMBOLS + _SPACES
QWEN35 = (
    _CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    + _SPACES
)
MINICPM5 = _WORD + r"|\p{N}+" + _SYMBOLS + _SPACES
SEED_CODER = (
    _CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BAILING = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
EXAONE_MOE = (
    _CONTRACTION
    + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
    + r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
DEEPSEEK_CODER = (
    r"[\r\n]",
    r"\s?\p{L}+",
    r"\s?\p{P}+",
    "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    r"\p{N}",
)
_TEKKEN_WORDS = (
    _BEFORE_WORD + _UPPER + "*" + _LOWER + "+",
    _BEFORE_WORD + _UPPER + "+" + _LOWER + "*",
)
TEKKEN = "|".join([*_TEKKEN_WORDS, r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"]) + _SPACES
GPT4O = (
    "|".join([*(f"{w}{_CONTRACTION}?" for w in _TEKKEN_WORDS), r"\p{N}{1,3}"])
    + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    + _SPACES
)

_WHOLE_TEXT = {GPT2, LLAMA3, QWEN2, QWEN35, TEKKEN, GPT4O}
"""Patterns that match every character: dropping what lies between the matches drops nothing."""


@dataclass(frozen=True)
class Family:
    """llama.cpp's names for one way to cut text.

    Attributes:
        plain: Name under which a word always goes through the merges; None: llama.cpp has none.
        whole_words: Name under which a word that is a token is taken whole (`ignore_merges`).
        differs: Where llama.cpp's own cuts differ; empty: no difference found.
    """

    plain: str | None
    whole_words: str | None = None
    differs: str = ""


_CASED = (
    "llama.cpp treats every letter outside ASCII as upper and lower case at once and leaves combining marks "
    "out of words, so text such as 'приветМир', or accents and vowel signs written as separate marks, is cut "
    "elsewhere; ASCII, Hangul, kana and Han are cut alike"
)
FAMILIES: dict[tuple[str, ...], Family] = {
    (GPT2,): Family("gpt-2"),
    (r"\p{N}", GPT2): Family("smollm"),
    (LLAMA3,): Family("dbrx", "llama-bpe"),
    (QWEN2,): Family("qwen2"),
    (QWEN35,): Family("qwen35"),
    DEEPSEEK_V3: Family("deepseek-v3"),
    (BAILING,): Family("bailingmoe"),
    (SEED_CODER,): Family("seed-coder"),
    (EXAONE_MOE,): Family("exaone-moe"),
    (r"\p{N}{1,3}", MINICPM5): Family(None, "minicpm5"),
    (TEKKEN,): Family(None, "tekken", _CASED),
    (GPT4O,): Family("gpt-4o", None, _CASED),
    DEEPSEEK_CODER: Family(
        "deepseek-coder",
        None,
        "llama.cpp does not see U+3000 (ideographic space) and U+2028 as part of "
        "the pattern's range U+0800 to U+4E00, so they are cut elsewhere",
    ),
}


def flatten(component: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer (`key`: "normalizers", "pretokenizers"), in order."""
    if component is None:
        return []
    if component["type"] == "Sequence":
        return [step for part in component[key] for step in flatten(part, key)]
    return [component]


def split_steps(pre_tokenizer: dict[str, Any] | None) -> tuple[str, ...] | None:
    """A byte-level pre-tokenizer as regular expressions that cut one after the other.

    Args:
        pre_tokenizer: The entry `pre_tokenizer` of a tokenizer.json.

    Returns:
        The expressions; None where it does something that a list of expressions cannot say.
    """
    steps = flatten(pre_tokenizer, "pretokenizers")
    if not steps or steps[-1]["type"] != "ByteLevel":
        return None  # a step after the bytes were spelled out sees other characters
    expressions = []
    for step in steps[:-1]:
        if step["type"] == "Digits":
            expressions.append(r"\p{N}" if step["individual_digits"] else r"\p{N}+")
        elif step["type"] == "Split" and "Regex" in step["pattern"]:
            pattern = step["pattern"]["Regex"].replace("\r", r"\r").replace("\n", r"\n")
            cut = (step["behavior"], step["invert"])
            if cut != ("Isolated", False) and not (
                cut == ("Removed", True) and pattern in _WHOLE_TEXT
            ):
                return None
            expressions.append(pattern)
        else:
            return None
    return (*expressions, GPT2) if steps[-1]["use_regex"] else tuple(expressions)


def pre_tokenizer_name(spec: dict[str, Any], backend: Tokenizer, named: str | None) -> str:
    """llama.cpp's name for the pre-tokenizer of a byte-level BPE tokenizer.

    Args:
        spec: The tokenizer.json.
        backend: The same tokenizer, to try merges with.
        named: A name that the user vouches for; used as it is, with a warning where it is not the one
            that this module would have chosen.

    Returns:
        The value of `tokenizer.ggml.pre`.

    Raises:
        ValueError: No name is known to cut text alike, and the user names none.
    """
    steps = split_steps(spec["pre_tokenizer"])
    family = FAMILIES.get(steps) if steps is not None else None
    if named is not None:
        if family is None or named not in (family.plain, family.whole_words):
            logger.warning("GGUF pre-tokenizer %r is used as given, not compared.", named)
        elif family.differs:
            logger.warning("GGUF pre-tokenizer %r: %s.", named, family.differs)
        return named
    way_out = 'pass pre_tokenizer="<name>" (bitsft export --gguf-pre-tokenizer <name>)'
    if family is None:
        shown = repr(spec["pre_tokenizer"] if steps is None else steps)
        raise ValueError(
            f"tokenizer.json, pre_tokenizer: bitsft knows no llama.cpp name for this way to cut text: {shown}. "
            "A guess is unsafe: the file loads, and every id can be wrong (one text had 28003 tokens instead of "
            f"25951). If llama.cpp has a name for it (src/llama-vocab.cpp), {way_out}."
        )
    if family.differs:
        raise ValueError(
            f"tokenizer.json, pre_tokenizer: llama.cpp's {family.plain or family.whole_words!r} is not quite this "
            f"way to cut text: {family.differs}. If your texts have none of that, {way_out} with that name."
        )
    ignore_merges = bool(spec["model"].get("ignore_merges"))
    name, other = family.plain, family.whole_words
    if ignore_merges:
        name, other = other, name
    if name is not None:
        return name
    if other is not None and _merges_reach_every_token(spec, backend):
        return other
    raise ValueError(
        f"tokenizer.json, model.ignore_merges is {ignore_merges}: llama.cpp's {other!r} cuts text alike but does "
        "the opposite with words that are tokens themselves, and some tokens of this vocabulary are not what "
        f"their merges lead to. If you accept other ids for those words, {way_out} with that name."
    )


def _merges_reach_every_token(spec: dict[str, Any], backend: Tokenizer) -> bool:
    """Whether the merges alone lead from each token's text to it: then `ignore_merges` is moot."""
    model = Tokenizer.from_str(backend.to_str()).model  # a copy
    model.ignore_merges = False
    added = {token["content"] for token in spec["added_tokens"]}
    return all(
        token in added or [piece.id for piece in model.tokenize(token)] == [index]
        for token, index in spec["model"]["vocab"].items()
    )


def sentencepiece_prefix(
    spec: dict[str, Any], named: str | None, chat_starts_special: bool
) -> bool:
    """Whether llama.cpp must put a space before the text (`tokenizer.ggml.add_space_prefix`).

    Args:
        spec: The tokenizer.json of a SentencePiece-like BPE.
        named: "default" to accept llama.cpp's rule where it is not the tokenizer's.
        chat_starts_special: Whether chats begin with a special token; decides what to choose then.

    Returns:
        The value of the key: llama.cpp puts the space at the start and after each special token, or never.

    Raises:
        ValueError: The tokenizer changes text in a way that llama.cpp does not.
    """
    if named not in (None, "default"):
        raise ValueError(
            f"pre_tokenizer={named!r}: llama.cpp's SentencePiece tokenizer has the one pre-tokenizer 'default'."
        )
    normalizers = flatten(spec["normalizer"], "normalizers")
    steps = flatten(spec["pre_tokenizer"], "pretokenizers")
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    cuts_at_space = all(
        step["type"] == "Split" and " " in step["pattern"].values() for step in steps
    )
    if replace in normalizers and cuts_at_space:  # no space is left to cut at
        rest = [step for step in normalizers if step != replace]
        if rest in ([], [{"type": "Prepend", "prepend": SPACE}]):
            return bool(rest)
    if not normalizers and len(steps) == 1 and steps[0]["type"] == "Metaspace":
        step = steps[0]
        inner = [token for token in spec["model"]["vocab"] if SPACE in token[1:]]
        if step["split"] and inner:
            raise ValueError(
                f"tokenizer.json, pre_tokenizer: Metaspace cuts at every space, llama.cpp at none, and the token "
                f"{inner[0]!r} goes across one. Set `split=False`, or export another format."
            )
        if step["replacement"] == SPACE and step["prepend_scheme"] == "never":
            return False
        if step["replacement"] == SPACE and named == "default":
            prefix = step["prepend_scheme"] == "always" or not chat_starts_special
            logger.warning(
                "GGUF add_space_prefix is %s: llama.cpp's rule, not Metaspace's %r. Ids differ where text "
                "%s.",
                prefix,
                step["prepend_scheme"],
                "begins with a space, or follows a special token"
                if prefix
                else "does not begin with a special token",
            )
            return prefix
        if step["replacement"] == SPACE:
            raise ValueError(
                f"tokenizer.json, pre_tokenizer: Metaspace with prepend_scheme {step['prepend_scheme']!r} puts a "
                "space before text that has none (first: at the very start only); llama.cpp puts one at the "
                "start and after every special token, even before a space, or never. To accept llama.cpp's rule, "
                'pass pre_tokenizer="default" (bitsft export --gguf-pre-tokenizer default).'
            )
    raise ValueError(
        f"tokenizer.json: llama.cpp does nothing like normalizer {spec['normalizer']} with pre_tokenizer "
        f"{spec['pre_tokenizer']}; it only turns spaces into {SPACE!r}. Export another format."
    )


def merge_scores(
    vocab: dict[str, int], merges: list[tuple[str, ...]], added: set[str]
) -> dict[str, float]:
    """Scores with which llama.cpp's SentencePiece tokenizer merges as a list of pairs does.

    Args:
        vocab: Token -> id.
        merges: Pairs, best first.
        added: Added tokens: cut out of the text before any merge.

    Returns:
        Token -> minus the rank of its first pair, for every token that a pair forms; runs of one character
        (of spaces, in Llama 2) may have their pairs mixed and then share a score.

    Raises:
        ValueError: No scores can have the effect of these pairs.
    """
    remedy = "Train a byte-level BPE instead, or export another format."
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        first.setdefault(left + right, rank)
        last[left + right] = rank
    scores: dict[str, float] = {}
    group, end = "", -1  # tokens whose pairs are mixed share a score
    for token, rank in first.items():  # in the order of rank
        if rank > end:
            group = token
        elif {*token} != {*group} or len({*group}) > 1:
            raise ValueError(
                f"tokenizer.json, model.merges: pairs for {group!r} stand before and after one for {token!r}; "
                f"llama.cpp knows one score for each token. {remedy}"
            )
        scores[token] = -float(first[group])
        end = max(end, last[token])
    known = set(merges)
    missing = [
        (token[:cut], token[cut:])
        for token in vocab
        if token not in added
        for cut in range(1, len(token))
        if (token[:cut], token[cut:]) not in known
        and all(
            part not in added and (len(part) == 1 or part in vocab)
            for part in (token[:cut], token[cut:])
        )
    ]
    if missing:
        raise ValueError(
            f"tokenizer.json, model.merges: {len(missing)} pairs of tokens, such as {missing[0]}, form a token but "
            f"are no merge; llama.cpp's SentencePiece tokenizer would join them. {remedy}"
        )
    return scores
