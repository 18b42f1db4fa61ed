"""The file's `general.name`, which is not only a label: llama.cpp tokenizes by it.

A name that holds "phi-3" or "phi3" makes llama.cpp strip spaces and line ends after every special token but
`<unk>`, `<s>` and `<|endoftext|>` (llama-vocab.cpp), as Phi-3's tokenizer does, and fail to load where one of them or
`</s>` is missing. So the name says Phi-3 exactly where the tokenizer is like that, whatever the folder is called.
In the same way "modern-bert" belongs to another model.
"""

import re
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

PHI3_KEEPS_SPACES_AFTER = {"<unk>", "<s>", "<|endoftext|>"}
PHI3_NAME = re.compile(r"phi-?3", re.IGNORECASE)
MODERN_BERT_NAME = re.compile(r"modern-bert", re.IGNORECASE)


def model_name(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """What the file calls the model: its folder or Hub name, or else its class.

    Args:
        model: For its `config.name_or_path`.
        tokenizer: Decides whether the name says Phi-3.

    Returns:
        The name.
    """
    name = Path(model.config.name_or_path).name or type(model).__name__
    name = MODERN_BERT_NAME.sub("modern bert", name)
    if not _strips_like_phi3(tokenizer):
        return PHI3_NAME.sub("Phi 3", name)
    return name if PHI3_NAME.search(name) else f"{name} (Phi-3 tokenizer)"


def _strips_like_phi3(tokenizer: PreTrainedTokenizerBase) -> bool:
    added = {token.content: token.rstrip for token in tokenizer.added_tokens_decoder.values()}
    if not added.get("</s>") or not PHI3_KEEPS_SPACES_AFTER.issubset(added):
        return False
    return all(strips != (text in PHI3_KEEPS_SPACES_AFTER) for text, strips in added.items())
