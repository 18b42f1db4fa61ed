"""How likely a model finds given tokens: log-likelihoods, batch by batch.

    log p(continuation | prompt) = Σ_t log softmax(logits_{t-1})[token_t]      in nats, over the continuation

Sequences go from the longest to the shortest, padded on the right: with causal attention no token sees what
comes after it, so pads have no influence and positions are those of the sequence alone. What is fed ends one
token before the continuation does, and a sequence that is the beginning of another is not fed at all but read
off the longer one: all labels of one token after the same prompt cost one pass.

The output head sees only the positions that predict a continuation, 128 at a time, in float32; no
[batch, positions, vocabulary] exists. That needs the model to be decoder and head and nothing between, which
is tried on a few tokens: where the two do not give the model's own logits to the bit (soft-capped or scaled
ones, prompt tuning), the model's forward is used, which makes them all in the model's dtype.

Evaluation mode, no gradients, ternary layers quantize once; the flags of every module are restored.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bitsft.metrics.inference_state import inference_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

_POSITIONS = 128  # through the head at once: 128 · 128k float32 are 67 MB
_TRIED = 8  # tokens that the two ways of making logits are compared on

Ids = Sequence[int]


def log_likelihoods(
    model: "PreTrainedModel",
    prompts: Sequence[Ids],
    continuations: Sequence[Ids],
    *,
    batch_size: int = 8,
    progress: bool = False,
) -> list[float]:
    """The log-likelihood of each continuation after its prompt.

    Args:
        model: A causal language model; its training mode is restored.
        prompts: n lists of token ids, one or more each (e.g. BOS alone).
        continuations: n lists of token ids, one or more each.
        batch_size: Sequences per forward pass.
        progress: Show a progress bar once it takes longer than three seconds.

    Returns:
        n floats, in nats: the sums over the tokens of each continuation.

    Raises:
        ValueError: When the lists differ in length, a prompt or continuation has no tokens, one is
            too long for the model, `batch_size` is below 1, or the model computes NaN.
    """
    import torch
    from tqdm.auto import tqdm

    from bitsft.ternary.held_codes import hold_codes

    _check(model, prompts, continuations, batch_size)
    fed = [(*p, *c[:-1]) for p, c in zip(prompts, continuations, strict=True)]
    riders = _riders(fed)
    order = sorted(riders, key=lambda row: len(fed[row]), reverse=True)
    values = [0.0] * len(fed)
    with (
        torch.no_grad(),
        inference_state(model),
        hold_codes(model),
        tqdm(total=len(fed), desc="Likelihoods", unit="row", delay=3, disable=not progress) as bar,
    ):
        hidden_and_head = _split_model(model, fed[order[0]]) if order else None
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            ids, mask = _padded([fed[row] for row in batch], model.device)
            # one entry for each token of each continuation: who it belongs to, where it is predicted, what it is
            owner: list[int] = []
            line: list[int] = []
            position: list[int] = []
            target: list[int] = []
            for number, leader in enumerate(batch):
                for row in riders[leader]:
                    tokens = continuations[row]
                    owner += [row] * len(tokens)
                    line += [number] * len(tokens)
                    position += range(len(prompts[row]) - 1, len(prompts[row]) - 1 + len(tokens))
                    target += tokens
            logits_of = _logits_at(model, ids, mask, line, position, hidden_and_head)
            for first in range(0, len(owner), _POSITIONS):
                part = slice(first, first + _POSITIONS)
                logits = logits_of(part).float()  # [positions, vocab]
                targets = torch.tensor(target[part], device=logits.device)
                chosen = logits.gather(1, targets[:, None])[:, 0]
                nats = (chosen - logits.logsumexp(-1)).double().tolist()
                for row, value in zip(owner[part], nats, strict=True):
                    values[row] += value
            bar.update(sum(len(riders[leader]) for leader in batch))
    wrong = [row for row, value in enumerate(values) if value != value]
    if wrong:
        raise ValueError(
            f"the log-likelihood of row {wrong[0]} is NaN ({len(wrong)} of {len(values)} rows): the "
            "model's weights are damaged, or its dtype is too narrow (load it in bfloat16 or float32)"
        )
    return values


def _check(
    model: "PreTrainedModel", prompts: Sequence[Ids], continuations: Sequence[Ids], batch_size: int
) -> None:
    if len(prompts) != len(continuations):
        raise ValueError(
            f"{len(prompts)} prompts but {len(continuations)} continuations: row i of one list "
            "belongs to row i of the other"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: it must be 1 or more")
    # not every architecture has a position limit (Mamba, ALiBi), so not every config has this
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    for row, (prompt, continuation) in enumerate(zip(prompts, continuations, strict=True)):
        if not len(prompt):
            raise ValueError(
                f"prompt {row} has no tokens, so nothing predicts the first token after it: start "
                "it with the BOS token"
            )
        if not len(continuation):
            raise ValueError(f"continuation {row} has no tokens: there is nothing to measure")
        length = len(prompt) + len(continuation) - 1
        if limit is not None and length > limit:
            raise ValueError(
                f"row {row} has {length + 1} tokens, which needs {length} positions, but the model "
                f"has {limit}: shorten or drop that row"
            )


def _riders(fed: Sequence[tuple[int, ...]]) -> dict[int, list[int]]:
    """Sequences to feed -> the rows that are read off each, itself among them.

    In lexicographic order a sequence that is the beginning of another stands right before those that go on.
    """
    riders: dict[int, list[int]] = {}
    leader: int | None = None
    for row in sorted(range(len(fed)), key=lambda row: fed[row], reverse=True):
        if leader is None or fed[leader][: len(fed[row])] != fed[row]:
            leader = row
            riders[leader] = []
        riders[leader].append(row)
    return riders


def _padded(
    sequences: Sequence[tuple[int, ...]], device: "torch.device"
) -> "tuple[Tensor, Tensor]":
    """Token ids and attention mask, int64 [B, T], padded on the right with token 0."""
    import torch

    width = max(map(len, sequences))
    ids = torch.zeros(len(sequences), width, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for line, sequence in enumerate(sequences):
        ids[line, : len(sequence)] = torch.tensor(sequence)
        mask[line, : len(sequence)] = 1
    return ids.to(device), mask.to(device)


def _logits_at(
    model: "PreTrainedModel",
    ids: "Tensor",
    mask: "Tensor",
    line: list[int],
    position: list[int],
    hidden_and_head: "tuple[torch.nn.Module, torch.nn.Module] | None",
) -> "Callable[[slice], Tensor]":
    """A function slice -> logits [positions, vocab] of the places (line, position) in the slice."""
    import torch

    if hidden_and_head is not None:
        decoder, head = hidden_and_head
        hidden = decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        lines = torch.tensor(line, device=hidden.device)
        hidden = hidden[lines, torch.tensor(position, device=hidden.device)]  # [positions, width]
        return lambda part: head(hidden[part])
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits  # [B, T, vocab]
    logits = logits[:, -ids.shape[1] :]  # prompt tuning puts its virtual tokens before the T
    lines = torch.tensor(line, device=logits.device)
    positions = torch.tensor(position, device=logits.device)
    return lambda part: logits[lines[part], positions[part]]


def _split_model(
    model: "PreTrainedModel", ids: tuple[int, ...]
) -> "tuple[torch.nn.Module, torch.nn.Module] | None":
    """Decoder and head, where they alone make the model's logits; else None."""
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

    # the layers of PEFT's adapters sit in the model that it wraps
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(inner, PreTrainedModel):  # compiled, or wrapped otherwise
        return None
    decoder, head = inner.base_model, inner.get_output_embeddings()
    if decoder is inner or head is None:
        return None
    tried, mask = _padded([ids[:_TRIED]], model.device)
    whole = model(input_ids=tried, attention_mask=mask, use_cache=False).logits
    hidden = decoder(input_ids=tried, attention_mask=mask, use_cache=False).last_hidden_state
    return (decoder, head) if torch.equal(whole, head(hidden)) else None
