"""Fine-tune a ternary model on instructions and answers (KoAlpaca v1.0, v1.1, or two columns of any file).

    # A model from the Hub or a folder, KoAlpaca's own shape:
    python examples/koalpaca_sft.py --data KoAlpaca_v1.1.jsonl --model Qwen/Qwen3-0.6B --output_dir out

    # A small model from nothing, and a CSV whose columns are called Q and A:
    python examples/koalpaca_sft.py --data chatbot_ko.csv --columns instruction=Q,output=A --output_dir out

All arguments of TernarySFTConfig (and so of TRL's SFTConfig) can be given; see --help.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoTokenizer
from trl import TrlParser

from bitsft import TernarySFTConfig, TernarySFTTrainer
from bitsft.data import format_koalpaca, format_rows, read_rows
from bitsft.metrics import GenerationMetricsCallback, bleu, cosine_similarity, rouge
from bitsft.scratch import new_llama, train_tokenizer


@dataclass
class ScriptArguments:
    data: str = field(metadata={"help": "CSV, TSV, JSON, JSONL or Parquet file, or a Hub id."})
    model: str | None = field(
        default=None, metadata={"help": "Path or Hub id; default: a new Llama."}
    )
    columns: str = field(default="", metadata={"help": "Renames, e.g. instruction=Q,output=A."})
    header: str = field(default="", metadata={"help": "Column names of a file without a header."})
    eval_percent: int = field(default=5, metadata={"help": "Share of questions that is held out."})
    eval_rows: int = field(default=200, metadata={"help": "Held-out rows to answer, at most."})
    max_new_tokens: int = field(default=64, metadata={"help": "Longest generated answer."})
    hidden_size: int = field(default=256, metadata={"help": "Width of a new model."})


def is_held_out(row: dict, percent: int) -> bool:
    """By a hash of the question, so that no question is on both sides."""
    return int(hashlib.md5(row["prompt"].encode()).hexdigest(), 16) % 100 < percent


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = TrlParser((ScriptArguments, TernarySFTConfig))
    script, config = parser.parse_args_and_config()
    renames = [pair.split("=") for pair in script.columns.split(",") if pair]
    if any(len(pair) != 2 for pair in renames):
        parser.error(f"--columns {script.columns}: write NEW=OLD, e.g. instruction=Q,output=A")

    rows = read_rows(
        script.data,
        columns=dict(renames) or None,
        header=script.header.split(",") if script.header else None,
    )
    out = Path(config.output_dir)
    formatted = format_rows(rows, format_koalpaca, rejected_path=out / "rejected.jsonl")
    dataset = formatted.dataset.shuffle(seed=config.seed)
    train = dataset.filter(lambda row: not is_held_out(row, script.eval_percent))
    held_out = dataset.filter(lambda row: is_held_out(row, script.eval_percent))
    held_out = held_out.select(range(min(script.eval_rows, len(held_out))))
    print(
        f"{len(train)} rows to train on, {len(held_out)} held out, {len(formatted.rejected)} rejected"
    )

    if script.model is None:
        texts = (row["prompt"] + row["completion"] for row in train)
        tokenizer = train_tokenizer(texts, vocab_size=4000)
        model = new_llama(tokenizer, hidden_size=script.hidden_size)
    else:
        model, tokenizer = script.model, AutoTokenizer.from_pretrained(script.model)

    scores = GenerationMetricsCallback(
        [rouge, bleu, cosine_similarity],
        max_new_tokens=script.max_new_tokens,
        output_file=out / "answers",
    )
    trainer = TernarySFTTrainer(
        model,
        config,
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer,
        callbacks=[scores],
    )
    before = trainer.evaluate()
    trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
    after = trainer.evaluate()
    trainer.save_model()
    trainer.save_state()

    print(f"\n{'':24}{'before':>10}{'after':>10}")
    for name in ("loss", "rouge1", "rougeL", "bleu", "cosine_tfidf_jamo"):
        print(f"{name:24}{before[f'eval_{name}']:10.3f}{after[f'eval_{name}']:10.3f}")
    print(f'\nAutoModelForCausalLM.from_pretrained("{config.output_dir}")')


if __name__ == "__main__":
    main()
