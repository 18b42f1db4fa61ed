"""The model that ships with bitsft: a small ternary Llama that reads Korean, for the demo, first steps and tests.

`model/` beside this file is a packed checkpoint as `save_ternary` writes it, with its tokenizer and its model card
(README.md: the texts that it learned from, their licences, its held-out bits per byte). It was made by
examples/pretrain_base.py and examples/ternary_base.py.

Limits: five million parameters that read a few million words; it knows the look of Korean and little else. For work,
start from a pretrained model.
"""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from bitsft.checkpoint.load import load_ternary


def demo_model_path() -> Path:
    """The folder of the demo model in the installed package, for whatever takes a model's path.

    Returns:
        A folder with config, weights, tokenizer and model card; stock transformers loads it, too.

    Example:
        >>> trainer = TernarySFTTrainer(str(demo_model_path()), train_dataset=rows)
    """
    return Path(__file__).parent / "model"


def load_demo_model() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the demo model, ready to be trained or asked; no network.

    Returns:
        The model, float32, in evaluation mode and with `BitLinear158` layers, and its tokenizer.

    Example:
        >>> model, tokenizer = load_demo_model()
        >>> generate_completions(model, tokenizer, ["이 영화는"], max_new_tokens=12)
    """
    folder = demo_model_path()
    return load_ternary(folder), AutoTokenizer.from_pretrained(folder)
