"""Options of distillation, part of `TernarySFTConfig`, which describes them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from trl import SFTConfig

DivergenceName = Literal["forward", "reverse", "js"]


@dataclass
class DistillationOptions:
    """What counts beside the teacher; the options are described in `TernarySFTConfig`."""

    # Strings on the command line that are read as JSON.
    _VALID_DICT_FIELDS: ClassVar[list[str]] = [
        *SFTConfig._VALID_DICT_FIELDS,
        "teacher_model_init_kwargs",
    ]

    teacher_model_init_kwargs: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "Arguments of from_pretrained for a teacher given by path or Hub id, such as dtype or "
            "quantization_config."
        },
    )
    distillation_weight: float = field(
        default=0.9,
        metadata={
            "help": "Share of the divergence from the teacher in the loss; the cross-entropy has the rest."
        },
    )
    distillation_temperature: float = field(
        default=2.0,
        metadata={"help": "Both distributions are softened by it before they are compared."},
    )
    distillation_divergence: DivergenceName = field(
        default="forward",
        metadata={
            "help": "'forward' is KL(teacher || student), 'reverse' KL(student || teacher), 'js' Jensen-Shannon.",
            "choices": list(get_args(DivergenceName)),
        },
    )

    attention_distillation_weight: float = field(
        default=0.0,
        metadata={
            "help": "Factor of the divergence between attention relations of teacher and student; 0 is none."
        },
    )
    attention_distillation_layer: int = field(
        default=-1,
        metadata={
            "help": "The decoder layer whose attention relations are compared; negative ones count from the end."
        },
    )
    attention_distillation_heads: int = field(
        default=1,
        metadata={
            "help": "Relation heads that queries, keys and values are split into; it divides their widths."
        },
    )
    distillation_cache: str | None = field(
        default=None,
        metadata={
            "help": "Folder for the teacher's outputs: asked once, read in every epoch and later run."
        },
    )
    distillation_top_k: int = field(
        default=64, metadata={"help": "Words a token of which the cache keeps the probability."}
    )

    def to_dict(self) -> dict[str, Any]:
        """As in transformers, which writes out only `model_init_kwargs`'s quantization by itself."""
        values: dict[str, Any] = super().to_dict()  # type: ignore[misc]
        options = values.get("teacher_model_init_kwargs")
        if not isinstance(options, dict):
            return values
        quantization = options.get("quantization_config")
        if quantization is not None and not isinstance(quantization, dict):
            values["teacher_model_init_kwargs"] = {
                **options,
                "quantization_config": quantization.to_dict(),
            }
        return values

    def check_distillation_options(self) -> None:
        """Refuse values outside their range.

        Raises:
            ValueError: The weight is not in [0, 1], the temperature not above 0, the divergence unknown, or one of
                the others outside its range; attention relations together with a cache.
        """
        if not 0 <= self.distillation_weight <= 1:
            raise ValueError(
                f"distillation_weight is {self.distillation_weight}; it is the divergence's share of the loss, "
                "from 0 to 1."
            )
        if not 0 < self.distillation_temperature < float("inf"):
            raise ValueError(
                f"distillation_temperature is {self.distillation_temperature}; use a number above 0, such as 1 or 2."
            )
        if self.distillation_divergence not in get_args(DivergenceName):
            raise ValueError(
                f"distillation_divergence is {self.distillation_divergence!r}; use 'forward', 'reverse' or 'js'."
            )
        if not 0 <= self.attention_distillation_weight < float("inf"):
            raise ValueError(
                f"attention_distillation_weight is {self.attention_distillation_weight}; use 0 or more."
            )
        for name in ("attention_distillation_heads", "distillation_top_k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use 1 or more.")
        if self.distillation_cache is not None and self.attention_distillation_weight > 0:
            raise ValueError(
                "distillation_cache keeps what the teacher predicts, and attention_distillation_weight compares what "
                "happens inside it: token by token relations of every document, too large to keep. Use one of the "
                "two."
            )

    def check_needs_no_teacher(self) -> None:
        """Refuse options that do nothing without a teacher; a weight may stand there, its default is not 0.

        Raises:
            ValueError: One of them is set.
        """
        without_effect = [
            name
            for name in (
                "teacher_model_init_kwargs",
                "attention_distillation_weight",
                "distillation_cache",
            )
            if getattr(self, name)
        ]
        if without_effect:
            raise ValueError(
                f"{', '.join(without_effect)} set without a teacher_model, so nothing would be distilled. Pass "
                "teacher_model to the trainer, or leave this out."
            )
