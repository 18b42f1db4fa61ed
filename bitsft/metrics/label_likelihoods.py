"""Classification without generating: how likely does the model find each label after the prompt?

The labels are tokenized as TRL 1.16 tokenizes prompt and completion for training: the prompt, and the prompt with
the label behind it; what the two have in common is the context, the rest is measured. So the label's first token
is the one that training would have shown, also where it merges with a space.

Where a tokenizer merges the prompt's end with a label's beginning, the rest of one label starts before another's.
Then all labels of that prompt are measured from the earliest of these places on: each is the likelihood of the
same piece of prompt and its label, so they can be compared.

In messages the label is what the assistant says, written by the chat template; whatever the template puts
before it (an empty block of thoughts) is measured with it, as training does. What comes after the label (EOS,
the end of the turn) is measured with `eos=True` only. It decides between labels of which one begins another
("1", "10"), but it also brings in how well the model knows when to stop.

A long label is less likely than a short one for its length alone. `per="token"` or `per="byte"` divides by the
tokens measured, or by the label's bytes in UTF-8 (as lm-evaluation-harness's acc_norm divides by its length);
`"none"` leaves the sum: right for labels of about one length.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from bitsft.metrics.eval_rows import Prompt
from bitsft.metrics.generation import encode_prompt
from bitsft.metrics.likelihood import log_likelihoods

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Per = Literal["none", "token", "byte"]

_PER = ("none", "token", "byte")
_STAND_IN = "stand-in-for-a-label"


def label_likelihoods(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Prompt],
    labels: Sequence[str],
    *,
    separator: str = " ",
    eos: bool = False,
    per: Per = "none",
    batch_size: int = 8,
    progress: bool = False,
) -> list[dict[str, float]]:
    """The log-likelihood of each label after each prompt.

    Args:
        model: A causal language model; its training mode is restored.
        tokenizer: Its tokenizer; nothing about it is changed.
        prompts: n strings, or lists of messages for the chat template.
        labels: The labels, two or more in practice.
        separator: Between a text prompt and the label: one space, as bitsft's formatters write completions.
            Messages have none.
        eos: Whether the end after the label counts: the EOS token, in messages what the template puts there.
        per: What to divide by: `"none"`, `"token"` or `"byte"`.
        batch_size: Sequences per forward pass.
        progress: Show a progress bar once it takes longer than three seconds.

    Returns:
        n dicts label -> nats (per token or byte where asked), labels in the given order.

    Raises:
        ValueError: When there are no labels, one is blank or occurs twice, `per` is unknown, a prompt is empty
            or too long for the model, or a chat template does not show the label.

    Example:
        >>> rows = label_likelihoods(model, tokenizer, prompts, ["긍정", "부정"])
        >>> classification_by_likelihood(rows, references, settings=likelihood_signature())
    """
    _check_labels(labels, per)
    contexts: list[list[int]] = []
    rests: list[list[int]] = []
    for prompt in prompts:
        context, of_prompt = _encode_labels(tokenizer, prompt, labels, separator, eos)
        contexts += [context] * len(labels)
        rests += of_prompt
    nats = log_likelihoods(model, contexts, rests, batch_size=batch_size, progress=progress)
    divisors = {
        "none": [1] * len(nats),
        "token": [len(rest) for rest in rests],
        "byte": [len(label.encode()) for label in labels] * len(prompts),
    }[per]
    values = [value / divisor for value, divisor in zip(nats, divisors, strict=True)]
    width = len(labels)
    return [
        dict(zip(labels, values[start : start + width], strict=True))
        for start in range(0, len(values), width)
    ]


def likelihood_signature(*, separator: str = " ", eos: bool = False, per: Per = "none") -> str:
    """The settings of `label_likelihoods` that decide its values, as `key:value` joined by `|`."""
    return f"sep:{separator!r}|eos:{'yes' if eos else 'no'}|per:{per}"


def _check_labels(labels: Sequence[str], per: str) -> None:
    if per not in _PER:
        raise ValueError(f"per={per!r} is unknown: choose one of {', '.join(_PER)}")
    if isinstance(labels, str) or not labels:
        raise ValueError(f"labels={labels!r}: give a list of labels, e.g. ['긍정', '부정']")
    blank = [label for label in labels if not label.strip()]
    if blank:
        raise ValueError(f"labels has {blank[0]!r}, which is blank")
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels has one twice: {', '.join(labels)}")


def _encode_labels(
    tokenizer: "PreTrainedTokenizerBase",
    prompt: Prompt,
    labels: Sequence[str],
    separator: str,
    eos: bool,
) -> tuple[list[int], list[list[int]]]:
    """What all labels share with the prompt, and the rest of each; token ids."""
    alone = encode_prompt(tokenizer, prompt)
    whole = []
    for label in labels:
        if isinstance(prompt, str):
            ids = encode_prompt(tokenizer, prompt + separator + label)
            if eos and tokenizer.eos_token_id is None:
                raise ValueError("eos=True, but the tokenizer has no EOS token: leave eos out")
            whole.append([*ids, tokenizer.eos_token_id] if eos else ids)
        else:
            text = _chat_with(tokenizer, prompt, label, eos)
            whole.append(list(tokenizer(text=text, add_special_tokens=False)["input_ids"]))
    shared = min(_shared_length(alone, ids) for ids in whole)
    return alone[:shared], [ids[shared:] for ids in whole]


def _chat_with(tokenizer: "PreTrainedTokenizerBase", prompt: Prompt, label: str, eos: bool) -> str:
    """The conversation with the label as the assistant's turn, up to the label's end or the turn's."""

    def rendered(answer: str) -> str:
        messages = [*prompt, {"role": "assistant", "content": answer}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False))

    # A label as short as "D" may occur in the template's own words too, so another answer shows where it stands.
    before, found, after = rendered(_STAND_IN).rpartition(_STAND_IN)
    text = rendered(label)
    if not found or text != before + label + after:
        raise ValueError(
            f"the chat template does not show the label {label!r} as it is; it writes {text[-80:]!r}: "
            "use labels without white space at their ends, or another template"
        )
    return text if eos else before + label


def _shared_length(left: list[int], right: list[int]) -> int:
    both = zip(left, right, strict=False)
    return next((at for at, (a, b) in enumerate(both) if a != b), min(len(left), len(right)))
