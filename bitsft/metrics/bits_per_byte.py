"""How well a model predicts text that it has not seen: bits per byte, and perplexity.

    bits_per_byte = Σ nats / (ln 2 · Σ bytes of the texts in UTF-8)
    perplexity    = exp(Σ nats / Σ tokens)                              over all texts together

The first compares models whatever their tokenizers; it needs every byte of the text to be predicted, so the
first token is predicted too: after what the tokenizer itself puts there, or else after its BOS, or its EOS
where it has no BOS (as lm-evaluation-harness does). The end of a text is not predicted. Perplexity is per token,
so it compares models of one tokenizer only; a hash of the vocabulary stands in its signature.

A text longer than `max_length` tokens is read in windows of that length: the first predicts all of its tokens,
each further one moves on by `stride` and predicts the `stride` new ones, with the rest of the window as context.
So each token is predicted once. A smaller stride gives more context and lower values, and takes longer.

Texts are taken as they are, without Unicode normalization. A tokenizer with unknown tokens hides what it cannot read
and comes off too well: their share stands in the signature as `unk`, unless it is 0.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bitsft.metrics.generation import encode_prompt
from bitsft.metrics.likelihood import log_likelihoods
from bitsft.metrics.score import Score, Statistics, ratio_score

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST_WINDOW = 2048
"""Tokens of a window where `max_length` is None and the model has more positions."""


def bits_per_byte(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    *,
    max_length: int | None = None,
    stride: int | None = None,
    batch_size: int = 4,
    progress: bool = False,
) -> dict[str, Score]:
    """Measure how well a model predicts texts.

    Args:
        model: A causal language model; its training mode is restored.
        tokenizer: Its tokenizer; nothing about it is changed.
        texts: n texts, held out from training.
        max_length: Tokens that the model sees at once. None takes the model's positions, at most 2048.
        stride: Tokens that a further window adds. None takes half of `max_length`.
        batch_size: Windows per forward pass.
        progress: Show a progress bar once it takes longer than three seconds.

    Returns:
        `bits_per_byte` and `perplexity`, both lower is better; their rows follow the texts.

    Raises:
        ValueError: When there are no texts, one is empty or holds half a surrogate pair, the tokenizer has
            neither BOS nor EOS to start from, or a number is out of range.
        TypeError: When `texts` is one string, or an item is not a string.

    Example:
        >>> print(bits_per_byte(model, tokenizer, texts)["bits_per_byte"])
        bits_per_byte|max_length:1024|stride:512|bos:own|eos:no = 1.32
    """
    max_length, stride = _window(model, max_length, stride)
    sizes = _byte_counts(texts)
    prompts: list[list[int]] = []
    targets: list[list[int]] = []
    owners: list[int] = []
    unknown = 0
    starts: set[str] = set()
    for row, text in enumerate(texts):
        ids, start, how = _encode(tokenizer, text, row)
        starts.add(how)
        unknown += ids[start:].count(tokenizer.unk_token_id)
        for first, end in windows(len(ids), start, max_length, stride):
            prompts.append(ids[max(0, end - 1 - max_length) : first])
            targets.append(ids[first:end])
            owners.append(row)
    nats = [0.0] * len(texts)
    tokens = [0] * len(texts)
    values = log_likelihoods(model, prompts, targets, batch_size=batch_size, progress=progress)
    for row, value, target in zip(owners, values, targets, strict=True):
        nats[row] -= value
        tokens[row] += len(target)
    signature = f"max_length:{max_length}|stride:{stride}|bos:{'+'.join(sorted(starts))}|eos:no"
    if unknown:
        signature += f"|unk:{unknown / sum(tokens):.2%}"
    return likelihood_scores(
        nats, sizes, tokens, signature, f"{signature}|tok:{_vocabulary(tokenizer)}"
    )


def likelihood_scores(
    nats: Sequence[float],
    sizes: Sequence[int],
    tokens: Sequence[int],
    signature: str,
    perplexity_signature: str,
) -> dict[str, Score]:
    """Bits per byte and perplexity of texts whose likelihoods are known.

    Args:
        nats: Negative log-likelihood of each of n texts.
        sizes: Bytes of each, in UTF-8.
        tokens: Predicted tokens of each.
        signature: Of bits per byte.
        perplexity_signature: The same with the tokenizer, on which a perplexity depends.
    """
    bits = [value / math.log(2) for value in nats]
    return {
        "bits_per_byte": ratio_score("bits_per_byte", bits, sizes, signature, goal="lower"),
        "perplexity": _perplexity(nats, tokens, perplexity_signature),
    }


def windows(length: int, start: int, max_length: int, stride: int) -> list[tuple[int, int]]:
    """Which tokens each window predicts, as (first, end); the window feeds the `max_length` before its last.

    Args:
        length: Tokens of the sequence, those that are given included.
        start: How many are given and not predicted, 1 or more.
        max_length: Tokens that are fed at most.
        stride: Tokens that a further window predicts at most.
    """
    end = min(length, max_length + 1)
    found = [(start, end)]
    while end < length:
        found.append((end, min(length, end + stride)))
        end = found[-1][1]
    return found


def _window(
    model: "PreTrainedModel", max_length: int | None, stride: int | None
) -> tuple[int, int]:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if max_length is None:
        max_length = min(limit or LONGEST_WINDOW, LONGEST_WINDOW)
    if max_length < 2 or (limit is not None and max_length > limit):
        raise ValueError(
            f"max_length={max_length}: it must be 2 or more, and at most the model's {limit} positions"
        )
    if stride is None:
        stride = max_length // 2
    if not 1 <= stride <= max_length:
        raise ValueError(f"stride={stride}: it must lie between 1 and max_length={max_length}")
    return max_length, stride


def _byte_counts(texts: Sequence[str]) -> list[int]:
    if isinstance(texts, str):
        raise TypeError(f"texts is one string ({texts[:40]!r}): put it in brackets")
    if not len(texts):
        raise ValueError("no texts to measure: the list is empty")
    sizes = []
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{row}] is {type(text).__name__}, not a string")
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise ValueError(
                f"texts[{row}] holds half of a surrogate pair ({text[:40]!r}): repair or drop that row"
            ) from error
        if size == 0:
            raise ValueError(
                f"texts[{row}] is empty, so there is nothing to predict: drop that row"
            )
        sizes.append(size)
    return sizes


def _encode(
    tokenizer: "PreTrainedTokenizerBase", text: str, row: int
) -> tuple[list[int], int, str]:
    """Token ids with a start before them, how many belong to that start, and where it is from."""
    ids = encode_prompt(tokenizer, text)
    bare = len(tokenizer(text=text, add_special_tokens=False)["input_ids"])
    if bare == 0:
        raise ValueError(
            f"texts[{row}] ({text[:40]!r}) has no tokens for this tokenizer: drop that row"
        )
    if len(ids) > bare:
        return ids, len(ids) - bare, "own"
    for name in ("bos", "eos"):
        token = getattr(tokenizer, f"{name}_token_id")
        if token is not None:
            return [token, *ids], 1, name
    raise ValueError(
        "the tokenizer has neither a BOS nor an EOS token, so nothing predicts the first token of a "
        "text: set tokenizer.bos_token"
    )


def _perplexity(nats: Sequence[float], tokens: Sequence[int], signature: str) -> Score:
    import numpy as np

    table = np.stack([np.asarray(nats), np.asarray(tokens, np.float64)], axis=1)

    def of_sums(sums: "np.ndarray") -> "np.ndarray":
        with np.errstate(over="ignore"):  # a diverged model's perplexity is infinite
            return np.exp(sums[..., 0] / sums[..., 1])  # a text has a token, or it was refused

    statistics = Statistics(table, of_sums)
    return Score("perplexity", statistics.value(), signature, of_sums(table), statistics, "lower")


def _vocabulary(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Size and hash of the vocabulary: models of equal ones can be compared by perplexity."""
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    digest = hashlib.sha256(json.dumps(words, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return f"{len(words)}-{digest.hexdigest()[:8]}"
