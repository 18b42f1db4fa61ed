"""Make a full-precision model ternary, fine-tune it, and save it packed.

    python examples/convert_full_precision.py --model Qwen/Qwen3-0.6B --data rows.jsonl --output_dir out \
        --quantization_warmup_ratio 0.2

A model that was trained in full precision loses much when its weights are rounded; the fine-tuning has to win
it back. With --quantization_warmup_ratio the rounding fades in over the first steps. The script prints the
held-out loss of the dense model, after rounding, and after training. Rows: `instruction` and `output`
(KoAlpaca's shape); all arguments of TernarySFTConfig can be given; see --help.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTTrainer, TrlParser

from bitsft import (
    TernarySFTConfig,
    TernarySFTTrainer,
    format_koalpaca,
    format_rows,
    read_rows,
    replace_linear_with_bitlinear,
    ternary_stats,
)


@dataclass
class ScriptArguments:
    model: str = field(metadata={"help": "Path or Hub id of a full-precision model."})
    data: str = field(
        metadata={"help": "CSV, TSV, JSON, JSONL or Parquet file, or a Hub dataset id."}
    )
    eval_share: float = field(
        default=0.05, metadata={"help": "Share of the rows that is held out."}
    )


def size_in_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    script, config = TrlParser((ScriptArguments, TernarySFTConfig)).parse_args_and_config()
    formatted = format_rows(
        read_rows(script.data),
        format_koalpaca,
        rejected_path=Path(config.output_dir) / "rejected.jsonl",
    )
    split = formatted.dataset.train_test_split(script.eval_share, seed=config.seed)

    tokenizer = AutoTokenizer.from_pretrained(script.model)
    model = AutoModelForCausalLM.from_pretrained(script.model, dtype=torch.float32)
    data = {
        "train_dataset": split["train"],
        "eval_dataset": split["test"],
        "processing_class": tokenizer,
    }
    dense_loss = SFTTrainer(model, config, **data).evaluate()["eval_loss"]

    # The trainer would do this by itself; done here so that filter_fn could leave layers out.
    replace_linear_with_bitlinear(model)
    trainer = TernarySFTTrainer(model, config, **data)
    rounded_loss = trainer.evaluate()["eval_loss"]
    trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
    trained_loss = trainer.evaluate()["eval_loss"]
    trainer.save_model()

    print(
        f"held-out loss: {dense_loss:.3f} dense, {rounded_loss:.3f} rounded, {trained_loss:.3f} trained"
    )
    print(ternary_stats(trainer.model))
    bf16_size = sum(parameter.numel() for parameter in trainer.model.parameters()) * 2 / 1e6
    print(f"{size_in_mb(Path(config.output_dir)):.1f} MB packed, {bf16_size:.1f} MB in bf16")
    print(f'AutoModelForCausalLM.from_pretrained("{config.output_dir}")')


if __name__ == "__main__":
    main()
