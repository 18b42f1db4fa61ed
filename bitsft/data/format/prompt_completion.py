"""The form that TRL trains on: {"prompt", "completion"}, as two texts or as two lists of messages.

TRL 1.16 tokenizes the prompt and the prompt + completion, and masks the tokens that the two have in
common (trl/trainer/sft_trainer.py, `tokenize_fn`). A token that spans the boundary moves it into
the prompt's last word, and the model then trains on a context it never sees when it generates. So:

- a text prompt ends in a colon, without a space or a newline after it;
- a text completion starts with exactly one space. Byte-level BPE (GPT-2, Llama 3, Qwen) and
  SentencePiece both start a new token there. Without the space the pattern of Llama 3 and Qwen
  joins a colon to the Hangul word after it, and to a newline after it.

TRL appends the end-of-sequence token itself. In messages the chat template sets the boundary, and
the contents have no space around them.
"""

from typing import TypeAlias

Messages: TypeAlias = list[dict[str, str]]
PromptCompletion: TypeAlias = dict[str, str] | dict[str, Messages]


def as_text(prompt: str, completion: str) -> dict[str, str]:
    """Return a text row; `prompt` ends in its colon, `completion` is stripped."""
    return {"prompt": prompt, "completion": f" {completion}"}


def as_conversation(user: str, assistant: str, system: str | None) -> dict[str, Messages]:
    """Return a row of messages (TRL's conversational prompt/completion form).

    Args:
        user: The user's message.
        assistant: The message to learn.
        system: A system message before it; None for chat templates that refuse one (Gemma's).
    """
    prompt = [{"role": "user", "content": user}]
    if system is not None:
        prompt.insert(0, {"role": "system", "content": system})
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": assistant}]}


def check_system(system: str | None, as_messages: bool) -> None:
    """Refuse a system message for a text row, which has no place for one.

    Raises:
        ValueError: When `system` is given without `as_messages`.
    """
    if system is not None and not as_messages:
        raise ValueError("system needs as_messages=True: a text prompt has no system message")
