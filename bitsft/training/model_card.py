"""The model card of a ternary fine-tuning: what was trained, on what, how, with which scores, how to load it."""

from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from torch import nn
from transformers import PreTrainedModel, TrainerState
from trl.trainer.utils import get_config_model_id

from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.ternary.stats import ternary_stats
from bitsft.training.config import TernarySFTConfig

_SETTINGS = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "packing",
    "optim",
    "weight_decay",
    "max_grad_norm",
    "projection",
    "granularity",
    "quantization_warmup_ratio",
    "latent_clip",
    "seed",
)


def ternary_model_card(
    *,
    model: nn.Module,
    args: TernarySFTConfig,
    state: TrainerState,
    name: str,
    repository: str | None,
    dataset_name: str | None,
    dataset_rows: Mapping[str, int],
    teacher: str | None,
    tags: list[str],
) -> ModelCard:
    """Build the card.

    Args:
        model: The trained model, wrapped by PEFT or not.
        args: The run's arguments.
        state: The run's state; its log holds the scores.
        name: Title of the card.
        repository: Hub id to load from; None for a local directory.
        dataset_name: Hub id of the training data, or None.
        dataset_rows: Rows by name of the dataset ("train", "eval", …).
        teacher: Path, Hub id or class of the teacher, or None.
        tags: Tags of the card.

    Returns:
        The card, with its metadata.
    """
    base = get_config_model_id(model.config) or None
    path = repository or f"path/to/{name}"
    rows = ", ".join(f"{count:,} {kind} rows" for kind, count in dataset_rows.items())
    settings = "\n".join(f"| {key} | {_plain(getattr(args, key))} |" for key in _SETTINGS)
    parts = [
        f"# {name}",
        f"A ternary (BitNet b1.58, 1.58-bit) language model: the weights of its linear layers are -1, 0 or +1 "
        f"times one scale per {_scaled(model)}. Fine-tuned from {f'`{base}`' if base else 'a model initialised from nothing'} "
        f"with bitsft on top of TRL.",
        f"## What was trained\n\n{ternary_stats(model)}.",
        f"Data: {dataset_name or 'a dataset that was not named'}"
        + (f" ({rows})." if rows else "."),
        *([_taught(teacher, args)] if teacher else []),
        *([_frozen(args.frozen_parameters)] if args.frozen_parameters else []),
        f"{state.global_step} optimizer steps, {state.epoch or 0:.2f} epochs.",
        f"## Settings\n\n| setting | value |\n|---|---|\n{settings}",
        f"## Scores\n\n{_scores(state)}",
        f"## How to load it\n\n{_loading(model, path)}",
    ]
    data = ModelCardData(
        base_model=base if base and not base.startswith(("/", ".")) else None,
        datasets=[dataset_name] if dataset_name else None,
        library_name="transformers" if isinstance(model, PreTrainedModel) else "peft",
        model_name=name,
        tags=sorted(set(tags)),
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _scaled(model: nn.Module) -> str:
    found = {layer.granularity for layer in layers_with_codes(model).values()}
    named = {"tensor": "matrix", "row": "row"}
    return " or ".join(named[granularity] for granularity in sorted(found, reverse=True))


def _frozen(patterns: Sequence[str]) -> str:
    names = ", ".join(f"`{pattern}`" for pattern in patterns)
    return f"Not trained: parameters whose names match {names}."


def _taught(teacher: str, args: TernarySFTConfig) -> str:
    kind = {"forward": "forward KL", "reverse": "reverse KL", "js": "Jensen-Shannon"}
    gamma = args.attention_distillation_weight
    seen = f"the {args.distillation_top_k} likeliest words of " if args.distillation_cache else ""
    return (
        f"Distilled from `{teacher}`: {args.distillation_weight:g} of the loss is the "
        f"{kind[args.distillation_divergence]} divergence from {seen}its distributions at temperature "
        f"{args.distillation_temperature:g}, on the trained tokens"
        + (f", and {gamma:g} times that of its attention relations is added." if gamma else ".")
    )


def _scores(state: TrainerState) -> str:
    """The last evaluation's metrics and the last training loss, as a table."""
    evaluations = [
        entry for entry in state.log_history if any(k.startswith("eval_") for k in entry)
    ]
    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    rows: dict[str, Any] = {"training loss (last logged)": losses[-1]} if losses else {}
    if evaluations:
        skipped = ("_runtime", "_per_second", "_num_tokens")
        rows.update({k: v for k, v in evaluations[-1].items() if not k.endswith(skipped)})
    if not rows:
        return "None: the run was not evaluated."
    table = "\n".join(f"| {key} | {_plain(value)} |" for key, value in rows.items())
    return f"| metric | value |\n|---|---|\n{table}"


def _loading(model: nn.Module, path: str) -> str:
    if isinstance(model, PreTrainedModel):
        return (
            "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{path}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{path}")\n```\n\n'
            "Stock transformers (with accelerate) is enough. It unpacks the weights with compiled functions: on "
            "a machine without a C++ compiler set `TORCHDYNAMO_DISABLE=1`."
        )
    return (
        "The adapter belongs on the ternary base that it was trained on, which is loaded packed and checked "
        "(`ternary_base.json`):\n\n"
        "```python\nfrom bitsft import load_adapter\n\n"
        f'model = load_adapter("path/to/base", "{path}")\n```\n\n'
        "Do not merge it into the base: rounding the sum again would lose most of the adapter. "
        "`bitsft.merge_to_ternary` makes one ternary model of both, by a short training."
    )


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(getattr(value, "value", value))
