"""`TernarySFTConfig`: TRL's `SFTConfig` plus what ternary training adds.

Every field of `SFTConfig` keeps its name and meaning. One default differs: the learning rate, 2e-4 where
TRL has 2e-5. A code flips only when its latent weight crosses γ/2, so ternary models are fine-tuned with
about ten times the dense rate (Axolotl's guide for 1.58-bit fine-tuning: "~10×", 5e-4 in its Falcon-E
example; docs/numerics.md has what we measured ourselves).

The options of a part stand in a dataclass beside that part, with the check of their ranges;
`TernarySFTConfig` puts these dataclasses together. What concerns several parts is checked here.
"""

import copy
import math
from dataclasses import MISSING, dataclass, field, fields
from numbers import Real
from typing import Any, Literal, get_args

import torch
from transformers import TrainingArguments
from trl import SFTConfig

from bitsft.ternary.quantize import Granularity
from bitsft.training.dense_parameters import DenseParameterOptions
from bitsft.training.distillation.options import DistillationOptions
from bitsft.training.frozen_parameters import FrozenParameterOptions
from bitsft.training.latent_free.options import LatentFreeOptions
from bitsft.training.quantization_strength import QuantizationStrengthOptions
from bitsft.training.stabilisers.options import StabiliserOptions
from bitsft.training.sub_norms import SubNormOptions

ProjectionMode = Literal["latent", "stochastic"]


# SFTConfig comes last: its fields then stay first, and `TernarySFTConfig("output")` means what it does in TRL.
@dataclass
class TernarySFTConfig(
    QuantizationStrengthOptions,
    StabiliserOptions,
    DenseParameterOptions,
    FrozenParameterOptions,
    DistillationOptions,
    SubNormOptions,
    LatentFreeOptions,
    SFTConfig,
):
    """Arguments of `TernarySFTTrainer`: all of `trl.SFTConfig`, and these.

    Without any accelerator on the machine `use_cpu` becomes True by itself.

    Args:
        learning_rate: Default 2e-4, ten times TRL's.
        projection: `"latent"` (default) keeps float latent weights that the codes are computed from;
            `"stochastic"` keeps none: after each step the weight itself is γ·{-1, 0, 1}, rounded at random
            (docs/latent_free.md), and an optimizer of its own takes 1 byte a weight.
        grid_learning_rate: `projection="stochastic"`: how far a step of usual size moves a ternary weight, in
            units of γ. Default 0.02. `learning_rate` is then that of the dense parameters.
        scale_learning_rate: `projection="stochastic"`: the share of itself by which such a step moves γ.
            Default 0.001; 0 keeps each γ as it is.
        quantization_warmup_ratio: Share of all steps, in [0, 1), during which λ rises from 0 (full precision)
            to 1 (ternary). Default 0: ternary from the first step. Evaluation and saving are fully ternary
            throughout.
        quantization_warmup_schedule: How λ rises: `"linear"` (default), `"sigmoid"` or `"cosine"`.
        granularity: One weight scale γ per matrix (`"tensor"`, default) or per output channel (`"row"`), for the
            layers that the trainer makes ternary. `"row"` is saved at the size of the dense model, because
            transformers' packed layer holds one scale (docs/stabilisers.md).
        dense_learning_rate: Initial learning rate of embeddings, head, norms and biases. Default None:
            `learning_rate`.
        dense_weight_decay: Weight decay of embeddings and head; norms and biases never decay. Default None:
            `weight_decay`.
        frozen_parameters: Patterns on full parameter names, such as `"model.layers.[0-3].*"` or `"*embed_tokens*"`; what
            they match is not trained (docs/freezing.md). Default None: everything is trained, or with PEFT the
            adapters.
        latent_clip: After each step clamp latent weights to ±latent_clip·γ; above 0.5. Default None: no
            clipping.
        dead_zone_strength: What weights whose code is 0 add to the output while training, as a share of
            themselves; fades to exactly 0 over the first 80 % of the steps. Default 0: nothing.
        freeze_oscillating_ratio: Share of the steps, at the end, in which codes that oscillate are frozen, in
            [0, 1]. Default 0: none.
        latent_average_decay: Decay, in (0, 1), of a moving average of the weights, which evaluation and the final
            model use. Default None: the weights themselves.
        teacher_model_init_kwargs: Arguments of `from_pretrained` for a `teacher_model` given by path or Hub id, such as
            `dtype`, or `quantization_config` for NF4. Default None.
        distillation_weight: Share w of the divergence from the teacher in the loss, in [0, 1]; the cross-entropy has
            the rest. Default 0.9; counts only where there is a teacher, as do the two that follow.
        distillation_temperature: Both distributions are softened by it before they are compared; the
            divergence is multiplied by its square. Default 2.
        distillation_divergence: `"forward"` (default) is KL(teacher ‖ student), `"reverse"` KL(student ‖ teacher),
            `"js"` Jensen-Shannon.
        attention_distillation_weight: Factor γ of the divergence between teacher's and student's attention
            relations, 0 or more. Default 0: none.
        attention_distillation_layer: The decoder layer compared, in both models; negative ones count from the end.
            Default -1, the last.
        attention_distillation_heads: Relation heads that queries, keys and values are split into. Default 1.
        distillation_cache: Folder for the teacher's outputs, made before training: each document is shown to the
            teacher once, and never again in later epochs or runs. Default None: the teacher is asked at each step.
        distillation_top_k: Words a token of which the cache keeps the probability. Default 64.
        sub_norms: Insert an RMSNorm before `o_proj` and `down_proj`, calibrated on the first training rows;
            the model becomes a `BitNetForCausalLM` (docs/sub_norms.md). Default False.
        keep_latent_weights: Leave the latent weights in the model when `train()` returns, instead of
            γ·{-1, 0, 1}. Default False. Checkpoints always hold the latent weights.
        run_record: Keep `run.json` in the output directory: data hashes, settings, versions, machine, time and
            scores (`bitsft runs`, docs/runs.md). Default True.

    Raises:
        ValueError: A value is outside its range, or `projection="stochastic"` is combined with an option
            that needs latent weights.
    """

    learning_rate: float = field(
        default=2e-4,
        metadata={
            "help": "Initial learning rate; ternary models need about ten times the dense one."
        },
    )
    projection: str = field(
        default="latent",
        metadata={
            "help": "'latent' keeps float weights behind the codes; 'stochastic' rounds the weights "
            "themselves to the grid after each step.",
            "choices": ["latent", "stochastic"],
        },
    )
    granularity: Granularity = field(
        default="tensor",
        metadata={
            "help": "One weight scale per matrix ('tensor') or per output channel ('row').",
            "choices": ["tensor", "row"],
        },
    )
    latent_clip: float | None = field(
        default=None,
        metadata={
            "help": "Clamp latent weights to plus or minus this many scales after each step."
        },
    )
    keep_latent_weights: bool = field(
        default=False,
        metadata={
            "help": "Leave latent weights in the model after train() instead of ternary ones."
        },
    )
    run_record: bool = field(
        default=True,
        metadata={
            "help": "Keep run.json in the output directory: what was trained, how, with which result."
        },
    )

    def __post_init__(self) -> None:
        if not torch.accelerator.is_available():
            self.use_cpu = True  # what Trainer falls back to anyway; bf16 on a CPU wants it said
        super().__post_init__()
        self.check_ternary_options()

    def check_ternary_options(self) -> None:
        """Refuse values outside their range; see the class for the errors."""
        rate = self.learning_rate
        if not isinstance(rate, Real) or not 0 <= rate < math.inf:
            raise ValueError(
                f"learning_rate is {rate!r}; use a finite number from 0 up, such as 2e-4 (in YAML 2.0e-4: without "
                "the point it is text)."
            )
        if self.projection not in get_args(ProjectionMode):
            raise ValueError(f"projection is {self.projection!r}; use 'latent' or 'stochastic'.")
        if self.granularity not in get_args(Granularity):
            raise ValueError(f"granularity is {self.granularity!r}; use 'tensor' or 'row'.")
        self.check_quantization_strength_options()
        self.check_dense_parameter_options()
        self.check_frozen_parameter_options()
        self.check_stabiliser_options()
        self.check_latent_free_options()
        self.check_distillation_options()
        if self.latent_clip is not None and self.latent_clip <= 0.5:
            raise ValueError(
                f"latent_clip is {self.latent_clip}; at 0.5 scales or less no weight could leave the dead "
                "zone. Use 2 to 4, or None."
            )
        average_is_not_saved = self.latent_average_decay is not None and self.save_only_model
        if average_is_not_saved and self.load_best_model_at_end:
            raise ValueError(
                "latent_average_decay with save_only_model: the best checkpoint would not hold the average that was "
                "evaluated. Leave out save_only_model or load_best_model_at_end."
            )
        if self.projection == "stochastic":
            needs_latents = {
                "quantization_warmup_ratio": self.quantization_warmup_ratio > 0,
                "latent_clip": self.latent_clip is not None,
                "keep_latent_weights": self.keep_latent_weights,
                **dict.fromkeys(self.stabilisers_in_use(), True),
            }
            for name, is_set in needs_latents.items():
                if is_set:
                    raise ValueError(
                        f"{name} needs latent weights, which projection='stochastic' does not keep. Use "
                        f"projection='latent', or leave {name} at its default."
                    )


def as_ternary_config(args: TrainingArguments | None, model_name: str) -> TernarySFTConfig:
    """The trainer's arguments, whatever the script passed; the caller's object stays as it is.

    Args:
        args: `None`, `TrainingArguments`, `SFTConfig` or `TernarySFTConfig`.
        model_name: Names the output directory when `args` is None, as in TRL.

    Returns:
        A `TernarySFTConfig` with the same values; ternary options at their defaults.
    """
    if args is None:
        return TernarySFTConfig(f"{model_name}-Ternary-SFT")
    if isinstance(args, TernarySFTConfig):
        return args
    if not isinstance(args, SFTConfig):
        values: dict[str, Any] = args.to_dict()
        values["hub_token"] = args.hub_token  # to_dict hides it
        return TernarySFTConfig(**values)
    # A second __post_init__ would parse values that the first one already parsed: copy, then widen.
    ternary = copy.copy(args)
    ternary.__class__ = TernarySFTConfig
    sft_names = {f.name for f in fields(SFTConfig)}
    for f in fields(TernarySFTConfig):
        if f.name not in sft_names:
            setattr(
                ternary, f.name, f.default if f.default_factory is MISSING else f.default_factory()
            )
    return ternary
