"""The Hub repositories that TRL's SFT tests name, as folders that can be made without a network.

TRL's tests load `"trl-internal-testing/zen"`, `"trl-internal-testing/tiny-Qwen3ForCausalLM"`, etc.
Both `load_dataset` and `from_pretrained` take a relative folder before they ask the Hub, so a
process whose working directory holds folders of these names runs the tests unchanged and offline.
"""

from pathlib import Path

from trl_suite_datasets import ORGANIZATION, build_datasets
from trl_suite_models import (
    QWEN3,
    TINY_MODELS,
    add_remote_code,
    build_model,
    train_tokenizer,
)


def build_hub(scripts: Path, hub: Path) -> None:
    """Fill the folder `hub` with every data set, tokenizer and model of this module.

    Args:
        scripts: The `scripts` folder of a checkout of huggingface/trl.
        hub: The folder to create; tests then run with it as their working directory.

    Raises:
        FileNotFoundError: When `scripts` lacks one of the scripts that make the data sets.
    """
    texts = build_datasets(scripts, hub)
    for name, spec in TINY_MODELS.items():
        build_model(hub / ORGANIZATION / name, spec, texts)
    remote_code = scripts / "generate_tiny_models" / "for_causal_lm" / "_remote_code"
    add_remote_code(hub / ORGANIZATION / "tiny-RemoteForCausalLM", remote_code)
    # one test clones the chat template of a tokenizer outside the organization
    train_tokenizer(QWEN3, texts).save_pretrained(hub / "Qwen" / "Qwen3-4B")
