"""Raw files of any task -> a checked, cleaned, leak-free data set -> a ternary model.

    # Two files of different tasks, prepared and then mixed in the training set:
    bitsft data check chat.csv --task koalpaca --map Q=instruction,A=output --out checked/chat.jsonl
    bitsft data check reviews.jsonl --task classification --map document=text --out checked/reviews.jsonl
    python examples/prepared_sft.py --source checked --data data --output_dir out

    # A folder that `bitsft data prepare` wrote before:
    python examples/prepared_sft.py --data data --model Qwen/Qwen3-0.6B --output_dir out

Look at data/report.html before you train for hours. All arguments of TernarySFTConfig can be given.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoTokenizer
from trl import TrlParser

from bitsft import TernarySFTConfig, TernarySFTTrainer
from bitsft.data import load_prepared, prepare
from bitsft.metrics import GenerationMetricsCallback, bleu, rouge
from bitsft.scratch import new_llama, train_tokenizer


@dataclass
class ScriptArguments:
    data: str = field(metadata={"help": "The prepared folder; written first if --source is given."})
    source: str | None = field(default=None, metadata={"help": "Raw files to prepare."})
    task: str | None = field(default=None, metadata={"help": "Of raw rows that do not name it."})
    near: float | None = field(default=None, metadata={"help": "Drop near duplicates, e.g. 0.85."})
    model: str | None = field(
        default=None, metadata={"help": "Path or Hub id; default: a new Llama."}
    )
    hidden_size: int = field(default=256, metadata={"help": "Width of a new model."})
    eval_rows: int = field(default=200, metadata={"help": "Validation rows to answer, at most."})


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    script, config = TrlParser((ScriptArguments, TernarySFTConfig)).parse_args_and_config()

    if script.source is not None:
        done = prepare(
            script.source, script.data, task=script.task, near=script.near, method="exact"
        )
        print(done)
    splits = load_prepared(script.data)
    held_out = splits["validation"]
    held_out = held_out.select(range(min(script.eval_rows, len(held_out))))

    if script.model is None:
        texts = (row["prompt"] + row["completion"] for row in splits["train"])
        tokenizer = train_tokenizer(texts, vocab_size=4000)
        model = new_llama(tokenizer, hidden_size=script.hidden_size)
    else:
        model, tokenizer = script.model, AutoTokenizer.from_pretrained(script.model)

    answers = Path(config.output_dir) / "answers"
    trainer = TernarySFTTrainer(
        model,
        config,
        train_dataset=splits["train"],
        eval_dataset=held_out,
        processing_class=tokenizer,
        callbacks=[GenerationMetricsCallback([rouge, bleu], output_file=answers)],
    )
    before = trainer.evaluate()
    trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
    after = trainer.evaluate()
    trainer.save_model()

    print(f"\n{'':24}{'before':>10}{'after':>10}")
    for name in ("loss", "rouge1", "rougeL", "bleu"):
        print(f"{name:24}{before[f'eval_{name}']:10.3f}{after[f'eval_{name}']:10.3f}")
    print(f"\nThe packed ternary model: {config.output_dir}; its answers: {answers}")


if __name__ == "__main__":
    main()
