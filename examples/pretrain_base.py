"""Train a small Korean language model from nothing, in full precision: a base to make ternary and to teach tasks.

    python examples/pretrain_base.py --reviews nsmc/reviews.parquet --docs msdocs_ko.txt.xz --output_dir base

A byte-level BPE tokenizer and a Llama of 5 million parameters on packed sequences; a GPU is used where there is one, two
CPU cores do 4,000 tokens a second. --max_steps 6000 made the base of the model that ships with bitsft; without it, all
is read once. Every 200th block of 100 lines is held out, and bits per byte are measured on it. What was trained on and
what was held out lies beside the model, train.jsonl and held_out.jsonl, for examples/ternary_base.py.

    reviews   Parquet with a `document` column: Korean film reviews, NSMC (https://github.com/e9t/nsmc, CC0)
    docs      plain text, .xz or not, a paragraph a line: Microsoft's Korean documentation
              (https://github.com/MicrosoftDocs, CC BY 4.0)
"""

import lzma
import random
from dataclasses import dataclass, field
from pathlib import Path

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer, TrlParser

from bitsft.metrics import bits_per_byte
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.training.head_tiles import head_tiles_for

CARD = """---
language: ko
license: cc-by-4.0
pipeline_tag: text-generation
---

# {name}

A Llama with {millions:.1f} million parameters and a byte-level BPE of {words:,} words, trained from random weights on
{tokens:.1f} million tokens of Korean text with `examples/pretrain_base.py` of bitsft. It knows the look of Korean and little
else; it is meant for trying out fine-tuning. Sources:

- film reviews: Naver sentiment movie corpus, https://github.com/e9t/nsmc, CC0;
- technical documentation: Microsoft, https://github.com/MicrosoftDocs, CC BY 4.0
  (https://creativecommons.org/licenses/by/4.0), changed: cut into lines, shuffled in blocks of 100.

Held out, one block in {every}, {held_out} blocks in all: **{score.value:.3f} bits per byte** (`{score.signature}`).
"""

DEFAULTS = {
    "num_train_epochs": 1,
    "per_device_train_batch_size": 4,
    "max_length": 512,
    "packing": True,
    "packing_strategy": "wrapped",
    "learning_rate": 2e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 200,
    "adam_beta2": 0.95,
    "weight_decay": 0.1,
    "gradient_checkpointing": False,
    "include_num_input_tokens_seen": True,
    "save_steps": 1000,
    "save_total_limit": 1,
    "logging_steps": 50,
    "report_to": "none",
    "use_cpu": not torch.accelerator.is_available(),
}
"""Of TRL's arguments, for a small model from random weights."""


@dataclass
class ScriptArguments:
    reviews: str = field(metadata={"help": "Parquet file with a `document` column."})
    docs: str = field(metadata={"help": "Text file, a paragraph a line; .xz is read, too."})
    vocab_size: int = field(default=4096, metadata={"help": "Words of the tokenizer."})
    hidden_size: int = field(default=256, metadata={"help": "Width of the model."})
    layers: int = field(default=5, metadata={"help": "Transformer blocks."})
    held_out_every: int = field(default=200, metadata={"help": "One block in so many is held out."})


def blocks(path: str) -> list[str]:
    """A hundred lines each: neighbours come from one document, so they go the same way."""
    if path.endswith(".parquet"):
        lines = [" ".join(text.split()) for text in Dataset.from_parquet(path)["document"]]
    else:
        with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip()]
    return ["\n".join(lines[start : start + 100]) for start in range(0, len(lines), 100)]


def main() -> None:
    parser = TrlParser((ScriptArguments, SFTConfig))
    parser.set_defaults(**DEFAULTS)
    script, config = parser.parse_args_and_config()
    folder, every = Path(config.output_dir), script.held_out_every
    texts = [*blocks(script.reviews), *blocks(script.docs)]
    held_out, train = texts[::every], [text for n, text in enumerate(texts) if n % every]
    random.Random(config.seed).shuffle(train)
    for name, part in {"train": train, "held_out": held_out}.items():
        Dataset.from_dict({"text": part}).to_json(folder / f"{name}.jsonl", force_ascii=False)

    tokenizer = train_tokenizer(train[::4], script.vocab_size)
    sizes = {"hidden_size": script.hidden_size, "layers": script.layers}
    deviation = script.hidden_size**-0.5
    model = new_llama(tokenizer, **sizes, initializer_range=deviation, seed=config.seed)
    data = Dataset.from_dict({"text": train})
    trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer)
    with head_tiles_for(trainer.accelerator.device):  # TRL's fused head, for a CPU
        trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
    trainer.save_model()

    scores = bits_per_byte(trainer.model, tokenizer, held_out, max_length=config.max_length)
    card = CARD.format(
        name=folder.name,
        millions=model.num_parameters() / 1e6,
        words=len(tokenizer),
        tokens=trainer.state.num_input_tokens_seen / 1e6,
        every=every,
        held_out=len(held_out),
        score=scores["bits_per_byte"],
    )
    print(scores["bits_per_byte"])
    (folder / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
