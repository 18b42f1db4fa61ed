"""What both demos do alike: train on completions with one line of progress, and say what was saved."""

import warnings
from pathlib import Path
from typing import Any

from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from bitsft.ternary import ternary_stats
from bitsft.training import TernarySFTConfig, TernarySFTTrainer


def make_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    output_dir: Path,
    **settings: Any,
) -> TernarySFTTrainer:
    """A trainer on the CPU in bf16, on completions only, that keeps no checkpoints and prints one line.

    Args:
        model: What is trained.
        tokenizer: Its tokenizer.
        train: Rows of `prompt` and `completion`.
        output_dir: Where `save_model` writes.
        settings: Further fields of `TernarySFTConfig`.
    """
    with warnings.catch_warnings():
        # TRL still sets the old name of an option by default, and transformers says so at every run.
        warnings.filterwarnings("ignore", message="`gradient_checkpointing` is deprecated")
        config = TernarySFTConfig(
            str(output_dir),
            completion_only_loss=True,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=True,
            disable_tqdm=True,
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            **settings,
        )
        trainer = TernarySFTTrainer(
            model, config, train_dataset=train, processing_class=tokenizer, callbacks=[_Progress()]
        )
    trainer.remove_callback(PrinterCallback)
    return trainer


class _Progress(TrainerCallback):
    """One line: steps done, time left, loss, share of codes that flip."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar = tqdm(total=state.max_steps, desc="training", unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update(1)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        if "loss" in logs:
            self._bar.set_postfix_str(f"loss {logs['loss']:.2f}, flips {logs['flip_rate']:.2%}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.close()


def print_scores(title: str, before: dict[str, float], after: dict[str, float]) -> None:
    """A table: a score a line, before and after."""
    print(f"\n{title}\n{'':16}{'before':>8}{'after':>8}")
    for name, value in before.items():
        print(f"  {name:14}{value:8.3f}{after[name]:8.3f}")


def print_saved(model: PreTrainedModel, output_dir: Path) -> None:
    """Codes, sizes, and how to load what was saved."""
    stats = ternary_stats(model)
    saved = sum(file.stat().st_size for file in output_dir.glob("*.safetensors"))
    print(f"\n{stats}.")
    print(
        f"Saved in {output_dir}: the ternary layers take {stats.weights / 4 / 1e6:.2f} MB, against "
        f"{stats.weights * 2 / 1e6:.2f} MB in bf16; the whole model, with its float32 embeddings, "
        f"{saved / 1e6:.2f} MB, against {model.num_parameters() * 2 / 1e6:.2f} MB in bf16."
    )
    print("Load it anywhere, without bitsft:\n")
    print(f'    AutoModelForCausalLM.from_pretrained("{output_dir}")\n')
    print(
        "Next, rows of your own: `bitsft data prepare FILE --task TASK --out data` makes a folder that trains, and "
        "README.md has the ten lines of Python."
    )


def shortened(text: str, length: int = 70) -> str:
    """The text in one line of at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
