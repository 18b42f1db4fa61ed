"""`merge_to_ternary`: adapters over a ternary base become part of it, by a short training.

Base and adapter are first rounded together, dithered (adapters/dithered_merge.py): the adapter is there on average, and
noise with it. From there the model is trained for a short time, with the unmerged model as teacher.

    student    the rounded model, all parameters trained
    teacher    base + adapter, as it is
    loss       (1 - w)·cross-entropy + w·divergence from the teacher, at temperature 1

Cost: that of a training of the whole ternary model with AdamW, 17 bytes a weight (latents, gradient, two moments in
float32, codes), beside the teacher: its base (0.25 bytes a weight where it is packed) and adapter. A step takes about
1.4 times one without a teacher (docs/distillation.md).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datasets import Dataset
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, TrainingArguments

from bitsft.adapters.dithered_merge import dithered_merge
from bitsft.training.config import TernarySFTConfig
from bitsft.training.trainer import TernarySFTTrainer


def default_merge_config(output_dir: str) -> TernarySFTConfig:
    """What `merge_to_ternary` trains with where it is given no arguments; a start for one's own.

    Args:
        output_dir: Where a trainer writes; with these settings nothing is written while it trains.
    """
    return TernarySFTConfig(
        output_dir,
        num_train_epochs=1,
        learning_rate=1e-3,
        lr_scheduler_type="linear",
        distillation_weight=0.9,
        distillation_temperature=1.0,
        save_strategy="no",
        report_to="none",
        run_record=False,
    )


def merge_to_ternary(
    peft_model: PeftModel,
    train_dataset: Dataset,
    args: TrainingArguments | None = None,
    *,
    processing_class: PreTrainedTokenizerBase | ProcessorMixin | None = None,
    **trainer_options: Any,
) -> PreTrainedModel:
    """Bring adapters back to the grid: a plain ternary model that answers like base and adapter together.

    What the adapter trained beside the ternary layers (`modules_to_save`, adapters over dense layers, biases) comes along.

    Args:
        peft_model: Adapters (LoRA, DoRA, …) over a ternary base, packed or not; the active ones count. It is not changed.
        train_dataset: Rows as for `TernarySFTTrainer`: those that the adapter was trained on, or others of their kind.
        args: Of the training. Default: one epoch as in `default_merge_config`, which writes nothing.
        processing_class: Tokenizer. Default: the one saved with the base.
        **trainer_options: Further arguments of `TernarySFTTrainer`, such as `eval_dataset` or `callbacks`.

    Returns:
        The model, float32, on the device that it was trained on, in evaluation mode: each ternary layer's weight is
        exactly γ·{-1, 0, 1}. `save_ternary` writes it.

    Raises:
        ValueError: There is no adapter over a ternary layer, or one whose weights PEFT cannot merge; an adapter was merged
            already; `peft_config`, `teacher_model` or `model` among the trainer's options.

    Example:
        >>> trainer = TernarySFTTrainer(path, peft_config=LoraConfig(target_modules="all-linear"), train_dataset=rows)
        >>> trainer.train()
        >>> model = merge_to_ternary(trainer.model, rows, processing_class=tokenizer)
        >>> save_ternary(model, "merged")
    """
    taken = {"model", "teacher_model", "peft_config"} & trainer_options.keys()
    if taken:
        raise ValueError(
            f"merge_to_ternary sets {', '.join(sorted(taken))} itself: the student is the merged model, the teacher the "
            "unmerged one. Leave it out."
        )
    student = dithered_merge(peft_model)
    with tempfile.TemporaryDirectory() as folder, _put_back(peft_model):
        trainer = TernarySFTTrainer(
            student,
            args if args is not None else default_merge_config(folder),
            train_dataset=train_dataset,
            processing_class=processing_class,
            teacher_model=peft_model,
            **trainer_options,
        )
        trainer.train()
    merged: PreTrainedModel = trainer.model
    vars(merged).pop("forward", None)  # TRL's fused head: a copy of the model would call this one
    return merged.eval()


@contextmanager
def _put_back(model: nn.Module) -> Iterator[None]:
    """A teacher is frozen and put in evaluation mode; afterwards it is trainable again where it was."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for module, mode in modes:
            module.training = mode
