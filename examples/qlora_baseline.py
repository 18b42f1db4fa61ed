"""QLoRA with stock TRL, PEFT and bitsandbytes: the baseline beside a ternary run (docs/qlora.md).

    python examples/qlora_baseline.py --config recipes/qlora.yaml \
        --model_name_or_path Qwen/Qwen3-0.6B --data DATA --output_dir qlora
    bitsft compare ternary qlora/merged DATA --rows 200 --max-new-tokens 64

DATA is a folder of `bitsft data prepare` (--source and --task prepare raw rows); options are also those of
trl.SFTConfig and trl.ModelConfig. The output folder is the adapter; in it `merged` is the dense model with the
adapter in it, and evaluations/nf4 and /merged hold test rows, answered before and after merging.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
import trl
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import ModelConfig, SFTConfig, SFTTrainer, TrlParser

from bitsft import evaluate_model
from bitsft._extras import require
from bitsft.data import load_prepared, prepare
from bitsft.metrics import GenerationMetricsCallback, bleu, rouge
from bitsft.runs import recorded
from bitsft.runs.settings import changed_fields


@dataclass
class ScriptArguments:
    data: str = field(metadata={"help": "The prepared folder; written first if --source is given."})
    source: str | None = field(default=None, metadata={"help": "Raw files to prepare."})
    task: str | None = field(default=None, metadata={"help": "Of raw rows that do not name it."})
    rows: int = field(default=200, metadata={"help": "Rows to answer of each split, at most."})
    max_new_tokens: int = field(default=64, metadata={"help": "Longest generated answer."})


class ScoredSFTTrainer(SFTTrainer):
    """TRL's trainer as it is, but for generated answers, which each evaluation scores."""

    scores: GenerationMetricsCallback

    def evaluation_loop(self, *args, metric_key_prefix="eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        output.metrics.update(self.scores.score(self, self.eval_dataset, metric_key_prefix))
        return output


def check_extras(config: SFTConfig) -> None:
    require("bitsandbytes", "qlora")
    try:
        if "tensorboard" in config.report_to:
            require("tensorboard", "tensorboard")
    except ImportError as error:
        raise ImportError(f"{error}; or pass --report_to none") from error


def keep_gradients(model: torch.nn.Module) -> None:
    """On a CPU with AVX512-BF16 the first evaluation would end them: docs/qlora.md."""
    for module in model.modules():
        if isinstance(module, require("bitsandbytes", "qlora").nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def merge(base: str, revision: str, adapter: str, folder: Path) -> None:
    """Into the dense base: in the NF4 one each sum would be rounded to one of 16 values again."""
    dense = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype="auto")
    merged = PeftModel.from_pretrained(dense, adapter).merge_and_unload(safe_merge=True)
    merged.save_pretrained(folder)
    AutoTokenizer.from_pretrained(adapter).save_pretrained(folder)


def main() -> None:
    parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig))
    parser.set_defaults(use_cpu=not torch.accelerator.is_available())  # for bf16 it must be said
    script, config, model = parser.parse_args_and_config()
    base, out = model.model_name_or_path, Path(config.output_dir)
    if not (base and model.load_in_4bit and model.use_peft):
        parser.error("give --model_name_or_path MODEL and --config recipes/qlora.yaml")
    check_extras(config)
    config.eval_on_start = True  # evaluate() before train() would open TensorBoard's file elsewhere
    push, config.push_to_hub = config.push_to_hub, False  # the merged model, once it has spoken
    config.model_init_kwargs = {"revision": model.model_revision, "dtype": model.dtype}

    if script.source is not None:
        print(prepare(script.source, script.data, task=script.task, method="exact"))
    splits = load_prepared(script.data)
    tokenizer = AutoTokenizer.from_pretrained(base, revision=model.model_revision)
    trainer = ScoredSFTTrainer(
        base,
        config,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=tokenizer,
        quantization_config=trl.get_quantization_config(model),
        peft_config=trl.get_peft_config(model),
    )
    keep_gradients(trainer.model)
    scored = {"num_rows": script.rows, "max_new_tokens": script.max_new_tokens}
    trainer.scores = GenerationMetricsCallback([rouge, bleu], **scored)
    settings = {"training": config.to_dict(), "changed": changed_fields(config)}
    with recorded(out, "train", model=base, data=splits, settings=settings, seed=config.seed) as run:  # fmt: skip
        trainer.train(resume_from_checkpoint=config.resume_from_checkpoint)
        after = trainer.evaluate()
        before = next(logged for logged in trainer.state.log_history if "eval_loss" in logged)
        trainer.save_model()
        names = ("loss", "rouge1", "rougeL", "bleu")
        table = {n: {"before": before["eval_" + n], "value": after["eval_" + n]} for n in names}
        run.result(scores={"all": table}, steps=trainer.state.global_step)

    merge(base, model.model_revision, config.output_dir, out / "merged")
    merged = AutoModelForCausalLM.from_pretrained(out / "merged", dtype="auto")
    asked = tokenizer(splits["test"][0]["prompt"], return_tensors="pt")["input_ids"]
    said = merged.generate(asked, max_new_tokens=script.max_new_tokens)[0]
    print(f"The merged model: {tokenizer.decode(said, skip_special_tokens=True)}")
    name = config.hub_model_id or out.name
    for one in (merged, tokenizer) if push else ():
        one.push_to_hub(name, private=config.hub_private_repo, token=config.hub_token)

    for one, name in ((trainer.model, "nf4"), (str(out / "merged"), "merged")):
        how = {"model_options": {"tokenizer": tokenizer}} if name == "nf4" else {}
        how |= {"max_new_tokens": script.max_new_tokens, "data_options": {"rows": script.rows}}
        evaluate_model(one, script.data, out / "evaluations" / name, overwrite=True, **how)
    for name, score in table.items():
        print(f"{name:12}{score['before']:10.3f} before, {score['value']:.3f} after")


if __name__ == "__main__":
    main()
