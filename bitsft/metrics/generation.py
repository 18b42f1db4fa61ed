"""Texts written by a causal language model, batch by batch, with everything put back afterwards.

A prompt is tokenized as TRL 1.16 tokenizes it for training (`trl.data_utils._tokenize`):
a string by `tokenizer(text=...)`, special tokens included; messages by `apply_chat_template` with
`add_generation_prompt=True`, which brings its own. One thing differs: an EOS that the tokenizer
itself appends to a string is dropped, since in training the completion stands between the two.

Batches go from the longest prompts to the shortest, padded on the left by hand, so the tokenizer's
padding side and pad token are never touched. Generation is greedy unless asked otherwise and stops
at any EOS of the model's generation config or of the tokenizer. Restored on the way out, after an
exception too: the model's flags and the random states (`inference_state.py`). `model.config` and `model.generation_config` are not written to.

A prompt that leaves no room for `max_new_tokens` in the model's positions is an error, never cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitsft.metrics.eval_rows import Prompt
from bitsft.metrics.inference_state import inference_state, seeded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# They change the shape of what `generate` returns (one row per prompt is read), or hide settings
_REFUSED = (
    "num_return_sequences",
    "return_dict_in_generate",
    "generation_config",
    "max_length",
    "inputs",
    "input_ids",
)


_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p")
_NOT_DECODING = ("transformers_version", "_from_model_config", "max_length", "use_cache")


@dataclass(frozen=True)
class Completion:
    """One generated text.

    Attributes:
        text: Without special tokens.
        tokens: How many tokens were generated, the closing EOS included.
        finished: Whether it ended by itself (an EOS, a stop string) and not at `max_new_tokens`.
    """

    text: str
    tokens: int
    finished: bool


def generate_completions(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int = 128,
    batch_size: int = 8,
    seed: int = 0,
    progress: bool = False,
    **generation_kwargs: Any,
) -> list[str]:
    """Write a completion to each prompt.

    Args:
        model: A causal language model; its training mode is restored.
        tokenizer: Its tokenizer; nothing about it is changed.
        prompts: n strings, or lists of messages (`{"role", "content"}`) for the chat template.
        max_new_tokens: Longest completion, in tokens.
        batch_size: Prompts per forward pass.
        seed: What sampling starts from (with `do_sample=True`); the global RNG is left alone.
        progress: Show a progress bar once generation takes longer than three seconds.
        **generation_kwargs: For `model.generate`, e.g. `do_sample=True, temperature=0.7`.

    Returns:
        n texts in the order of the prompts, special tokens removed.

    Raises:
        ValueError: When a prompt is empty or too long for the model, a number is below 1, or a
            generation setting would return something other than one text per prompt.

    Example:
        >>> generate_completions(model, tokenizer, ["서울의 인구는"], max_new_tokens=32)
    """
    encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    completions = complete(
        model,
        tokenizer,
        encoded,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
        **generation_kwargs,
    )
    return [completion.text for completion in completions]


def encode_prompt(
    tokenizer: "PreTrainedTokenizerBase",
    prompt: Prompt,
    *,
    chat_template: str | None = None,
    tools: list[Any] | None = None,
    chat_template_kwargs: dict[str, Any] | None = None,
) -> list[int]:
    """Token ids of a prompt, as TRL's SFTTrainer makes them for training.

    Args:
        tokenizer: The tokenizer of the model.
        prompt: A string, or messages.
        chat_template: Instead of the tokenizer's own (`SFTTrainer.chat_template`).
        tools: For the chat template.
        chat_template_kwargs: For the chat template.
    """
    if isinstance(prompt, str):
        ids = list(tokenizer(text=prompt)["input_ids"])
        bare = tokenizer(text=prompt, add_special_tokens=False)["input_ids"]
        if ids and ids[-1] == tokenizer.eos_token_id and ids[-1:] != bare[-1:]:
            ids.pop()
        return ids
    encoded = tokenizer.apply_chat_template(
        prompt,
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        chat_template=chat_template,
        tools=tools,
        **(chat_template_kwargs or {}),
    )
    return list(encoded["input_ids"])


def complete(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    encoded: Sequence[list[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    seed: int = 0,
    progress: bool = False,
    **generation_kwargs: Any,
) -> list[Completion]:
    """`generate_completions` for prompts that are token ids already; same arguments and errors."""
    from tqdm.auto import tqdm

    from bitsft.ternary.held_codes import hold_codes

    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: it must be 1 or more")
    write = batch_writer(model, tokenizer, max_new_tokens=max_new_tokens, **generation_kwargs)
    check_prompt_lengths(model, encoded, max_new_tokens)
    completions: dict[int, Completion] = {}
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]), reverse=True)
    with (
        inference_state(model),
        hold_codes(model),  # nothing changes the weights here: ternary layers quantize them once
        seeded(model, seed),
        tqdm(
            total=len(encoded), desc="Generating", unit="row", delay=3, disable=not progress
        ) as bar,
    ):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            written = write([encoded[row] for row in batch])
            completions.update(zip(batch, written, strict=True))
            bar.update(len(batch))
    return [completions[row] for row in range(len(encoded))]


def batch_writer(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    *,
    max_new_tokens: int,
    **generation_kwargs: Any,
) -> Callable[[Sequence[list[int]]], list[Completion]]:
    """The function that writes completions for one batch of prompts, for those who plan batches themselves.

    The caller checks the prompts' lengths, seeds, and puts the model into `inference_state`.

    Args:
        model: As `generate_completions`.
        tokenizer: As `generate_completions`.
        max_new_tokens: Longest completion, in tokens.
        **generation_kwargs: For `model.generate`.

    Returns:
        Token ids of n prompts -> n completions, in one call of `generate`, prompts padded on the left.

    Raises:
        ValueError: When a generation setting would return something other than one text per prompt.
    """
    import torch

    refused = [name for name in _REFUSED if name in generation_kwargs]
    if refused:
        raise ValueError(
            f"generation setting {refused[0]!r} cannot be used here: one text of at most "
            "max_new_tokens tokens is made per prompt; pass other settings one by one"
        )
    stops = _stop_ids(model, tokenizer, generation_kwargs)
    pad = tokenizer.pad_token_id
    if pad is None:
        pad = stops[0] if stops else 0
    settings: dict[str, Any] = {
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": pad,
        "eos_token_id": stops or None,
        "max_new_tokens": max_new_tokens,
        **generation_kwargs,
    }
    if not settings["do_sample"]:
        # a sampling model's own settings would only draw warnings in greedy decoding
        settings = {**dict.fromkeys(_SAMPLING), **settings}
    if "stop_strings" in settings:
        settings["tokenizer"] = tokenizer  # transformers needs it to find them

    def write(prompts: Sequence[list[int]]) -> list[Completion]:
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), pad)  # [B, T]
        mask = torch.zeros_like(ids)
        for line, prompt in enumerate(prompts):
            ids[line, width - len(prompt) :] = torch.tensor(prompt)
            mask[line, width - len(prompt) :] = 1
        output = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), **settings
        )  # [B, T + new]
        return [
            _completion(tokenizer, new_ids, stops, pad, max_new_tokens)
            for new_ids in output[:, width:].tolist()
        ]

    return write


def check_prompt_lengths(
    model: "PreTrainedModel", encoded: Sequence[list[int]], max_new_tokens: int
) -> None:
    """Raise unless every prompt has a token, and room for its completion in the model's positions.

    Raises:
        ValueError: With the row numbers, their lengths and the limit.
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens={max_new_tokens}: it must be 1 or more")
    empty = [row for row, ids in enumerate(encoded) if not ids]
    if empty:
        raise ValueError(f"prompt {empty[0]} has no tokens ({len(empty)} such): nothing to go on")
    room = room_for_prompt(model, max_new_tokens)
    if room is None:
        return
    long = [row for row, ids in enumerate(encoded) if len(ids) > room]
    if long:
        worst = max(long, key=lambda row: len(encoded[row]))
        raise ValueError(
            f"{len(long)} of {len(encoded)} prompts are too long for the model, first prompt "
            f"{long[0]} with {len(encoded[long[0]])} tokens, longest prompt {worst} with "
            f"{len(encoded[worst])}: its {room + max_new_tokens} positions minus "
            f"max_new_tokens={max_new_tokens} leave {room}. Shorten or drop those rows, or lower max_new_tokens."
        )


def room_for_prompt(model: "PreTrainedModel", max_new_tokens: int) -> int | None:
    """How many tokens a prompt may have beside its completion; None where nothing limits them."""
    # not every architecture has a position limit (Mamba, ALiBi), so not every config has this
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return None if positions is None else positions - max_new_tokens


def decoding_signature(
    model: "PreTrainedModel", max_new_tokens: int, generation_kwargs: Mapping[str, Any]
) -> str:
    """What decides a completion besides model and prompt, as `key:value` joined by `|`.

    Args:
        model: The model; what its generation config sets off the library's defaults counts too
            (e.g. `repetition_penalty`), without token ids and, when greedy, sampling settings.
        max_new_tokens: Longest completion.
        generation_kwargs: What the caller passes to `generate`.
    """
    own = {
        key: value
        for key, value in model.generation_config.to_diff_dict().items()
        if not (key.endswith("_token_id") or key.startswith("output_") or key in _NOT_DECODING)
    }
    settings = {**own, "do_sample": False, **generation_kwargs}
    if not settings["do_sample"]:
        settings = {key: value for key, value in settings.items() if key not in _SAMPLING}
    pairs = [f"{key}:{value}" for key, value in sorted(settings.items())]
    return "|".join([f"max_new_tokens:{max_new_tokens}", *pairs])


def _stop_ids(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", settings: dict[str, Any]
) -> list[int]:
    """Every token that ends a completion; what the caller names replaces the defaults."""
    if "eos_token_id" in settings:
        found = [settings["eos_token_id"]]
    else:
        found = [model.generation_config.eos_token_id, tokenizer.eos_token_id]
    flat = [i for item in found for i in (item if isinstance(item, (list, tuple)) else [item])]
    return list(dict.fromkeys(i for i in flat if i is not None))


def _completion(
    tokenizer: "PreTrainedTokenizerBase",
    new_ids: list[int],
    stops: list[int],
    pad: int,
    max_new_tokens: int,
) -> Completion:
    end = next((at for at, token in enumerate(new_ids) if token in stops), None)
    if end is None:
        # a row that another criterion (stop_strings) ended is filled up with padding
        length = len(new_ids)
        while length and new_ids[length - 1] == pad:
            length -= 1
        body, tokens, finished = new_ids[:length], length, length < max_new_tokens
    else:
        body, tokens, finished = new_ids[:end], end + 1, True
    # exact text: no clean-up of the spaces before punctuation
    text = tokenizer.decode(body, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Completion(text, tokens, finished)
