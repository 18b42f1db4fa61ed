"""A Hugging Face tokenizer as the vocabulary of a GGUF file, such that llama.cpp finds the same ids.

Everything is read from what the tokenizer does (the tokenizer.json inside it), not from its name: how it
cuts text (`pre_tokenizers`), its tokens, merges, added tokens, and what it puts around a text.

    model   "gpt2": byte-level BPE; "llama": SentencePiece-like BPE with byte fallback
    tokens  in the order of the embedding's rows; rows without a token are unused `[PAD<row>]`

Where llama.cpp does something else the export is refused, with three exceptions that are logged: it never
normalizes, so a tokenizer that brings text to NFC (Qwen) sees composed and decomposed Hangul alike and
llama.cpp does not; it finds added tokens by their characters alone (no `lstrip`, `rstrip`, `single_word`);
and vocabularies may lack the bytes of control or private characters.

Special ids: llama.cpp has its own defaults (id 11 in a byte-level vocabulary), so `bos` and `eos` are always
written; a tokenizer without BOS gets EOS there, and nothing adds it to a text. `eot` is written when the
chat template ends the answer with another added token than EOS. Keys: llama.cpp's gguf-py, constants.py.
Limits: BPE only. Added tokens that overlap in a text (`ab`, `bcd` in "abcd") are found longest first by
llama.cpp and leftmost first by `tokenizers`; that is not looked for.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from bitsft._extras import require
from bitsft.checkpoint.gguf.pre_tokenizers import (
    SPACE,
    flatten,
    merge_scores,
    pre_tokenizer_name,
    sentencepiece_prefix,
)

logger = logging.getLogger(__name__)

SPECIAL_ID_KEYS = {
    "bos": "tokenizer.ggml.bos_token_id",
    "eos": "tokenizer.ggml.eos_token_id",
    "eot": "tokenizer.ggml.eot_token_id",
    "unk": "tokenizer.ggml.unknown_token_id",
    "sep": "tokenizer.ggml.seperator_token_id",  # the format's own spelling
    "pad": "tokenizer.ggml.padding_token_id",
    "mask": "tokenizer.ggml.mask_token_id",
}
BYTE_TOKENS = {f"<0x{byte:02X}>" for byte in range(256)}
_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}
_RARE_BYTES = {*range(9), 11, 12, *range(14, 32), 127, 0xC0, 0xC1, *range(0xF1, 0x100)}
"""Of control characters, the first of planes 4 to 16 (unassigned or private), and those of no text."""


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says about a tokenizer.

    Attributes:
        model: "gpt2" or "llama".
        pre: Name of the pre-tokenizer.
        tokens: UTF-8 text of each token, one for each row of the embedding.
        token_types: `gguf.TokenType` of each token.
        scores: Score of each token ("llama" only).
        merges: Pairs "left right", best first ("gpt2" only).
        special_ids: gguf's names ("bos", "eos", "pad", ...) -> id.
        add_bos: Whether each text begins with BOS.
        add_eos: Whether each text ends with EOS.
        add_space_prefix: Whether a space goes before the text and after special tokens ("llama" only).
        chat_template: Jinja source.
    """

    model: str
    pre: str
    tokens: list[bytes]
    token_types: list[int]
    scores: list[float] | None
    merges: list[str] | None
    special_ids: dict[str, int]
    add_bos: bool
    add_eos: bool
    add_space_prefix: bool | None
    chat_template: str | None

    def keys(self) -> dict[str, Any]:
        """The metadata of the file that describe the tokenizer: full name -> value."""
        keys: dict[str, Any] = {
            "tokenizer.ggml.model": self.model,
            "tokenizer.ggml.pre": self.pre,
            "tokenizer.ggml.tokens": self.tokens,
            "tokenizer.ggml.token_type": self.token_types,
            "tokenizer.ggml.scores": self.scores,
            "tokenizer.ggml.merges": self.merges,
            "tokenizer.ggml.add_bos_token": self.add_bos,
            "tokenizer.ggml.add_eos_token": self.add_eos,
            "tokenizer.ggml.add_space_prefix": self.add_space_prefix,
            "tokenizer.chat_template": self.chat_template,
            **{SPECIAL_ID_KEYS[name]: number for name, number in self.special_ids.items()},
        }
        return {name: value for name, value in keys.items() if value is not None}


def vocabulary(
    tokenizer: PreTrainedTokenizerBase, rows: int, *, pre_tokenizer: str | None = None
) -> Vocabulary:
    """The GGUF vocabulary of a tokenizer.

    Args:
        tokenizer: A fast tokenizer (one with a tokenizer.json); it stays as it is.
        rows: Rows of the model's embedding matrix.
        pre_tokenizer: llama.cpp's name for the pre-tokenizer, where bitsft chooses none and you vouch for
            it; "default" accepts llama.cpp's rule for leading spaces in a SentencePiece-like one.

    Returns:
        The vocabulary; `keys()` are what the file says of it.

    Raises:
        ValueError: The tokenizer has more tokens than the embedding has rows, or llama.cpp would find
            other ids; the message says why and what to do.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError(
            f"{type(tokenizer).__name__} is a slow tokenizer: there is no tokenizer.json to translate. Load it "
            "with AutoTokenizer.from_pretrained(...) from a folder that has one."
        )
    text = tokenizer.backend_tokenizer.to_str()
    spec = json.loads(text)
    backend = Tokenizer.from_str(text)  # a copy
    backend.no_padding()
    backend.no_truncation()
    _check_model(spec["model"])
    steps = flatten(spec["pre_tokenizer"], "pretokenizers")
    byte_level = any(step["type"] == "ByteLevel" for step in steps)
    if byte_level:
        _check_byte_level(spec, steps)
    else:
        _check_byte_fallback(spec)
    texts = _texts_by_row(spec, rows)
    special_ids, add_bos, add_eos = _special_ids(tokenizer, backend)
    template = _chat_template(tokenizer)
    chat = _exchange(tokenizer, template)
    added = {token["content"]: token for token in spec["added_tokens"]}
    end_of_turn = _end_of_turn(chat, list(added))
    if end_of_turn is not None and added[end_of_turn]["id"] != special_ids["eos"]:
        special_ids["eot"] = added[end_of_turn]["id"]

    merges = scores = prefix = None
    pairs = [tuple(pair) for pair in spec["model"]["merges"]]
    if byte_level:
        pre = pre_tokenizer_name(spec, backend, pre_tokenizer)
        merges = [" ".join(pair) for pair in pairs]
    else:
        pre = "default"
        starts_special = chat is not None and chat[0].startswith(tuple(added))
        prefix = sentencepiece_prefix(spec, pre_tokenizer, starts_special)
        by_token = merge_scores(spec["model"]["vocab"], pairs, set(added))
        scores = [by_token.get(token, 0.0) for token in texts]
    _warn_about_flags(added, spec["normalizer"])
    return Vocabulary(
        model="gpt2" if byte_level else "llama",
        pre=pre,
        tokens=[token.encode() for token in texts],
        token_types=_token_types(spec, texts, byte_level),
        scores=scores,
        merges=merges,
        special_ids=special_ids,
        add_bos=add_bos,
        add_eos=add_eos,
        add_space_prefix=prefix,
        chat_template=template,
    )


def _check_model(model: dict[str, Any]) -> None:
    if model["type"] != "BPE":
        raise ValueError(
            f"tokenizer.json, model.type is {model['type']}: bitsft writes BPE vocabularies to GGUF and has not "
            "shown llama.cpp to find the same ids for others. Export another format."
        )
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model[key]:
            raise ValueError(
                f"tokenizer.json, model.{key} is {model[key]!r}: llama.cpp's BPE has no such thing. "
                + ("Set it to None." if key == "dropout" else "Export another format.")
            )


def _check_byte_level(spec: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    for normalizer in flatten(spec["normalizer"], "normalizers"):
        if normalizer["type"] != "NFC":
            raise ValueError(
                f"tokenizer.json, normalizer: {normalizer['type']} changes text before it is cut; llama.cpp does "
                "not do that with a byte-level BPE. Export another format."
            )
        logger.warning(
            "The tokenizer brings text to NFC and llama.cpp does not: decomposed Hangul (as macOS writes it) gets "
            "other ids there. Send it NFC text."
        )
    if any(step["type"] == "ByteLevel" and step["add_prefix_space"] for step in steps):
        raise ValueError(
            "tokenizer.json, pre_tokenizer: ByteLevel has add_prefix_space=True; llama.cpp puts no space before a "
            "text with a byte-level BPE. Load the tokenizer with add_prefix_space=False, or export another format."
        )
    missing = {byte for char, byte in _BYTE_OF.items() if char not in spec["model"]["vocab"]}
    if missing - _RARE_BYTES:
        raise ValueError(
            f"tokenizer.json, model.vocab lacks {len(missing)} bytes (such as 0x{min(missing - _RARE_BYTES):02X}), "
            "so some text has no tokens. Train it with initial_alphabet=pre_tokenizers.ByteLevel.alphabet()."
        )
    if missing - {0xC0, 0xC1, *range(0xF5, 0x100)}:
        logger.warning(
            "The vocabulary lacks bytes %s: ids can differ around such characters (control or private).",
            ", ".join(f"0x{byte:02X}" for byte in sorted(missing)),
        )
    spaced = [pair for pair in spec["model"]["merges"] if any(" " in part for part in pair)]
    if spaced:
        raise ValueError(
            f"tokenizer.json, model.merges: {spaced[0]} holds a space, which a byte-level BPE spells 'Ġ' and "
            "GGUF uses to part the two sides. Export another format."
        )


def _check_byte_fallback(spec: dict[str, Any]) -> None:
    missing = sorted(BYTE_TOKENS - {*spec["model"]["vocab"]})
    if missing or not spec["model"]["byte_fallback"]:
        what = f"all byte tokens ({missing[0]} is missing)" if missing else "byte_fallback"
        raise ValueError(
            f"tokenizer.json, model: neither a byte-level pre-tokenizer nor {what}, so some text has no tokens; "
            "llama.cpp has no such BPE. Export another format."
        )


def _texts_by_row(spec: dict[str, Any], rows: int) -> list[str]:
    by_row = {index: token for token, index in spec["model"]["vocab"].items()}
    by_row.update((token["id"], token["content"]) for token in spec["added_tokens"])
    tokens = max(by_row, default=-1) + 1
    if tokens > rows:
        raise ValueError(
            f"The tokenizer has {tokens} tokens and the embedding {rows} rows: token {by_row[tokens - 1]!r} has no "
            "vector. Use the tokenizer that belongs to the model, or model.resize_token_embeddings(len(tokenizer))."
        )
    unused = {row: f"[PAD{row}]" for row in range(rows) if row not in by_row}
    clash = sorted({*by_row.values()} & {*unused.values()})
    if clash:
        raise ValueError(
            f"The tokenizer's token {clash[0]!r} is GGUF's name for an unused row. Rename it."
        )
    return [unused[row] if row in unused else by_row[row] for row in range(rows)]


def _token_types(spec: dict[str, Any], texts: list[str], byte_level: bool) -> list[int]:
    kinds = require("gguf", "gguf").TokenType
    known = spec["model"]["vocab"]
    types = {text: kinds.NORMAL if text in known else kinds.UNUSED for text in texts}
    if not byte_level:
        types.update(dict.fromkeys(BYTE_TOKENS, kinds.BYTE))
    for token in spec["added_tokens"]:
        content = token["content"]
        if token["special"]:
            unknown = not byte_level and content == spec["model"]["unk_token"]
            types[content] = kinds.UNKNOWN if unknown else kinds.CONTROL
        elif byte_level or SPACE not in content or content not in known:
            types[content] = (
                kinds.USER_DEFINED
            )  # else a run of "▁": merges form it, it prints as spaces
    return [int(types[text]) for text in texts]


def _special_ids(
    tokenizer: PreTrainedTokenizerBase, backend: Tokenizer
) -> tuple[dict[str, int], bool, bool]:
    """Ids by gguf's names, and whether a text gets BOS and EOS: by encoding one."""
    ids: dict[str, int] = {}
    for name in ("bos", "eos", "unk", "sep", "pad", "mask"):
        index = backend.token_to_id(tokenizer.special_tokens_map.get(f"{name}_token", ""))
        if index is not None:
            ids[name] = index
    if "eos" not in ids:
        raise ValueError(
            "The tokenizer has no EOS token, and llama.cpp would take token 11 or 2 for it. Set "
            "tokenizer.eos_token to the token that ends an answer."
        )
    bare, whole = (backend.encode("a", add_special_tokens=add).ids for add in (False, True))
    at = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    before, after = whole[:at], whole[at + len(bare) :]
    if len(before) > 1 or after not in ([], [ids["eos"]]):
        raise ValueError(
            f"tokenizer.json, post_processor puts {backend.decode(before, skip_special_tokens=False)!r} before and "
            f"{backend.decode(after, skip_special_tokens=False)!r} after a text; llama.cpp can put one token before "
            f"it and EOS ({tokenizer.eos_token!r}) after it. Set tokenizer.eos_token, or the post-processor."
        )
    ids["bos"] = before[0] if before else ids.get("bos", ids["eos"])
    return ids, bool(before), bool(after)


def _chat_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        if "default" not in template:
            raise ValueError(
                f"The tokenizer has chat templates {sorted(template)} and none named 'default', which is the one "
                'that a GGUF file takes. Set tokenizer.chat_template["default"].'
            )
        template = template["default"]
    if template and tokenizer.bos_token is None and "bos_token" in template:
        logger.warning(
            "The chat template uses bos_token and the tokenizer has none; llama.cpp puts %r there.",
            tokenizer.eos_token,
        )
    return template


def _exchange(tokenizer: PreTrainedTokenizerBase, template: str | None) -> tuple[str, str] | None:
    """One exchange as the template writes it: up to the answer, and what follows it."""
    if template is None:
        return None
    answer = "bitsft-answer"
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": answer}]
    try:
        text = tokenizer.apply_chat_template(chat, chat_template=template, tokenize=False)
    except (TemplateError, TypeError, ValueError, KeyError) as error:
        logger.warning("The chat template refuses an exchange (%s): no EOT id is written.", error)
        return None
    start, found, rest = text.rpartition(answer)
    return (start, rest) if found else None


def _end_of_turn(chat: tuple[str, str] | None, added: list[str]) -> str | None:
    """The added token right after the answer."""
    rest = chat[1].lstrip() if chat is not None else ""
    return max((token for token in added if rest.startswith(token)), key=len, default=None)


def _warn_about_flags(added: dict[str, dict[str, Any]], normalizer: dict[str, Any] | None) -> None:
    prepends = any(step["type"] == "Prepend" for step in flatten(normalizer, "normalizers"))
    message = (
        "llama.cpp finds added tokens by their characters alone; %d have %s=True (such as %r), so ids can differ "
        "next to them."
    )
    for flag in ("lstrip", "rstrip", "single_word", *(["normalized"] if prepends else [])):
        names = [content for content, token in added.items() if token[flag]]
        if names:
            logger.warning(message, len(names), flag, names[0])
