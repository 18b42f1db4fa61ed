"""Make a small dense base ternary, taught by itself: the second half of examples/pretrain_base.py.

    python examples/ternary_base.py --base base --output_dir ternary

Rounding the weights of a finished model to -1, 0 and +1 destroys it; training them again on a part of its texts brings
it back. The dense model is the start and the teacher at once: beside the next token the ternary one learns the whole
distribution that the dense one gives. About a quarter of an hour on one CPU core. What is saved is packed, two bits a weight, and
loads in stock transformers; its card holds the held-out bits per byte of both. --base is a folder that
pretrain_base.py wrote. All arguments of TernarySFTConfig can be given; see --help.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import TrlParser

from bitsft import TernarySFTConfig, TernarySFTTrainer, ternary_stats
from bitsft.metrics import Score, bits_per_byte

CARD = """
## Ternary

The weights of the linear layers are -1, 0 or +1 times one scale per matrix: made so by `examples/ternary_base.py` of
bitsft, with the dense model as teacher, on {tokens:.1f} million tokens of the same text.
{stats}.

| held-out text | bits per byte |
|---|---|
| dense: what the card says above | {dense:.3f} |
| its weights rounded, not trained | {rounded:.3f} |
| **ternary: this model** | **{ternary:.3f}** |
"""

DEFAULTS = {
    "max_steps": 600,
    "per_device_train_batch_size": 4,
    "max_length": 512,
    "packing": True,
    "packing_strategy": "wrapped",
    "learning_rate": 1.5e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 50,
    "distillation_weight": 0.9,
    "adam_beta2": 0.95,
    "gradient_checkpointing": False,
    "include_num_input_tokens_seen": True,
    "save_strategy": "no",
    "logging_steps": 20,
    "report_to": "none",
}
"""Of TernarySFTConfig, for a model of a few million parameters."""


@dataclass
class ScriptArguments:
    base: str = field(metadata={"help": "Folder that pretrain_base.py wrote."})
    rows: int = field(default=1000, metadata={"help": "Blocks of train.jsonl that are read."})


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = TrlParser((ScriptArguments, TernarySFTConfig))
    parser.set_defaults(**DEFAULTS)
    script, config = parser.parse_args_and_config()
    base, folder = Path(script.base), Path(config.output_dir)
    train = Dataset.from_json(str(base / "train.jsonl"))
    held_out = Dataset.from_json(str(base / "held_out.jsonl"))["text"]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)

    def measure() -> Score:
        return bits_per_byte(model, tokenizer, held_out, max_length=config.max_length)["bits_per_byte"]  # fmt: skip

    dense = measure()
    trainer = TernarySFTTrainer(  # `model` is ternary from here on
        model,
        config,
        train_dataset=train.select(range(min(script.rows, len(train)))),
        processing_class=tokenizer,
        teacher_model=script.base,
    )
    rounded = measure()
    trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
    trainer.save_model()
    ternary = measure()

    stats = ternary_stats(model)
    print(stats)
    print(
        f"held-out bits per byte: {dense.value:.3f} dense, {rounded.value:.3f} rounded, "
        f"{ternary.value:.3f} ternary"
    )
    card = CARD.format(
        tokens=trainer.state.num_input_tokens_seen / 1e6,
        stats=stats,
        dense=dense.value,
        rounded=rounded.value,
        ternary=ternary.value,
    )
    above = (
        (base / "README.md").read_text("utf-8").replace(f"# {base.name}\n", f"# {folder.name}\n")
    )
    (folder / "README.md").write_text(above + card, encoding="utf-8")


if __name__ == "__main__":
    main()
