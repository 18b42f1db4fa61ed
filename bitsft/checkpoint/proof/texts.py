"""The texts that `verify` compares models on when it is given none.

Documents, questions and answers from bitsft's demo rows (Korean), several of them to a text so that rotary
positions beyond the first hundred count; one text of what trips tokenizers up (English contractions,
numbers, code, runs of blanks, emoji); and a chat in the tokenizer's own template, because special tokens
that a converter lost show only there.
"""

from typing import Any

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from bitsft.data.demo import load_demo_rows

_ROWS = 48
_ROWS_PER_TEXT = 4
_MIXED = (
    "It's 2024-11-20, and we'll ship v1.58 for $1,234,567.89 — don't wait!\n\n"
    "def ternary(w):\n    scale = abs(w).mean()\n\treturn round(w / scale)  # {-1, 0, 1}\n\n\n"
    "café  naïve   Ⅳ ½ 漢字 ひらがな 한글, ㅋㅋㅋ ^^;; 🙂👍🏽 <|x|> </div> http://example.org/?q=1&r=%20"
)


def proof_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Fourteen texts: 3,597 tokens in the vocabulary of `bitsft demo --task questions`, which it learned from
    such rows; 5,645 in that of the model that ships.

    Args:
        tokenizer: For its chat template, if it has one.

    Returns:
        The texts, the same ones every time.
    """
    rows = load_demo_rows("train_raft")
    rows = rows[:: len(rows) // _ROWS][:_ROWS]
    written = [_written_out(row) for row in rows]
    texts = [
        "\n\n".join(written[start : start + _ROWS_PER_TEXT])
        for start in range(0, len(written), _ROWS_PER_TEXT)
    ]
    chat = _chat(tokenizer, rows[0])
    return [*texts, _MIXED, *([chat] if chat else [])]


def _written_out(row: dict[str, Any]) -> str:
    return "\n".join([*row["context"], row["question"], row["answer"]])


def _chat(tokenizer: PreTrainedTokenizerBase, row: dict[str, Any]) -> str | None:
    if not tokenizer.chat_template:
        return None
    messages = [
        {"role": "user", "content": row["question"]},
        {"role": "assistant", "content": row["answer"]},
    ]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False))
    except TemplateError:  # a template for other roles or with other variables: no such text then
        return None
