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
        default=0.5,
        metadata={
            "help": "Share of the divergence from the teacher in the loss; the cross-entropy has the rest."
        },
    )
    distillation_temperature: float = field(
        default=1.0,
        metadata={"help": "Both distributions are softened by it before they are compared."},
    )
    distillation_divergence: DivergenceName = field(
        default="forward",
        metadata={
            "help": "'forward' is KL(teacher || student), 'reverse' KL(student || teacher), 'js' Jensen-Shannon.",
            "choices": list(get_args(DivergenceName)),
        },
    )

    def check_distillation_options(self) -> None:
        """Refuse values outside their range.

        Raises:
            ValueError: The weight is not in [0, 1], the temperature not above 0, or the divergence unknown.
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
