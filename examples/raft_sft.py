"""Fine-tune a ternary model to answer from documents (RAFT, arXiv 2403.10131).

    python examples/raft_sft.py --data raft.jsonl --model Qwen/Qwen3-0.6B --max_length 2048 --output_dir out

Rows: `question`, `context` (a text or a list), `answer`, optionally `cot` and `instruction`; or what gorilla's
raft.py writes. The script says first how many tokens the rows have: a max_length that is too short cuts off
the answer, not the documents. All arguments of TernarySFTConfig can be given; see --help.
"""

import logging
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from transformers import AutoTokenizer
from trl import TrlParser

from bitsft import (
    GenerationMetricsCallback,
    TernarySFTConfig,
    TernarySFTTrainer,
    bleu,
    format_raft,
    format_rows,
    read_rows,
    rouge,
    token_budget,
)
from bitsft.scratch import new_llama, train_tokenizer


@dataclass
class ScriptArguments:
    data: str = field(
        metadata={"help": "CSV, TSV, JSON, JSONL or Parquet file, or a Hub dataset id."}
    )
    eval_data: str | None = field(
        default=None, metadata={"help": "Held-out rows, made from documents that are not in data."}
    )
    model: str | None = field(
        default=None, metadata={"help": "Path or Hub id; without it a small Llama from nothing."}
    )
    language: str = field(default="ko", metadata={"help": "Language of the template: ko or en."})
    with_cot: bool = field(default=True, metadata={"help": "Train on the chain of thought too."})
    max_new_tokens: int = field(default=256, metadata={"help": "Longest generated answer."})


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    script, config = TrlParser((ScriptArguments, TernarySFTConfig)).parse_args_and_config()
    formatter = partial(format_raft, language=script.language, with_cot=script.with_cot)
    output_dir = Path(config.output_dir)

    train = format_rows(
        read_rows(script.data), formatter, rejected_path=output_dir / "rejected.jsonl"
    ).dataset
    held_out = None
    if script.eval_data is not None:
        held_out = format_rows(read_rows(script.eval_data), formatter).dataset

    if script.model is None:
        tokenizer = train_tokenizer(row["prompt"] + row["completion"] for row in train)
        model = new_llama(tokenizer, max_length=8192)
    else:
        model, tokenizer = script.model, AutoTokenizer.from_pretrained(script.model)
    print(token_budget(train, tokenizer, config.max_length))

    scores = GenerationMetricsCallback(
        [rouge, bleu], max_new_tokens=script.max_new_tokens, output_file=output_dir / "answers"
    )
    trainer = TernarySFTTrainer(
        model,
        config,
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer,
        callbacks=[scores] if held_out is not None else None,
    )
    trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
    if held_out is not None:
        print(trainer.evaluate())
    trainer.save_model()
    print(f'AutoModelForCausalLM.from_pretrained("{config.output_dir}")')


if __name__ == "__main__":
    main()
