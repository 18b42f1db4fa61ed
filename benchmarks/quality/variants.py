"""What is compared: each variant is a set of `TernarySFTConfig` options, a start and perhaps a teacher.

`RECIPE` says which options the recipe has. An ingredient of it gets a variant without it, every other one a variant
with it, so that each is judged twice: on top of plain straight-through training and on top of the recipe.

`RATES` are the winners of `quality.py --sweep` (validation rows, seed 0, full steps): one for each family, as each
kind of training has its own best rate. The rate of `latent_free` is its `grid_learning_rate`; its dense parameters have
the dense rate. (From the teacher's weights, 0.02 and 0.04 are equal for it within what one seed can tell.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

PARTS = ("tasks", "text")

RATES: dict[str, dict[str, float]] = {
    "tasks": {"dense": 1e-3, "straight": 1e-3, "distilled": 2e-3, "latent_free": 0.04},
    "text": {"dense": 1e-3, "straight": 1e-3, "distilled": 2e-3, "latent_free": 0.04},
}
GRIDS: dict[str, tuple[float, ...]] = {
    "dense": (5e-4, 1e-3, 2e-3),
    "straight": (5e-4, 1e-3, 2e-3, 4e-3),
    "distilled": (1e-3, 2e-3, 4e-3),
    "latent_free": (0.01, 0.02, 0.04, 0.08),
}

NEUTRAL: dict[str, Any] = {
    "projection": "latent",
    "quantization_warmup_ratio": 0.0,
    "quantization_warmup_schedule": "linear",
    "latent_clip": None,
    "dense_learning_rate": None,
    "dense_weight_decay": None,
    "granularity": "tensor",
    "sub_norms": False,
    "dead_zone_strength": 0.0,
    "freeze_oscillating_ratio": 0.0,
    "latent_average_decay": None,
    "attention_distillation_weight": 0.0,
    "distillation_weight": 0.5,
    "distillation_temperature": 1.0,
    "distillation_divergence": "forward",
}
"""Every option off, whatever the defaults of the library are: naive straight-through training."""

DENSE_RATE = "dense"
"""Stands for the part's dense rate, as a learning rate in the options below."""
INGREDIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sub_norms": ("sub-norms", {"sub_norms": True}),
    "warmup_linear": ("λ warm-up, linear", {"quantization_warmup_ratio": 0.3}),
    "warmup_sigmoid": (
        "λ warm-up, sigmoid",
        {"quantization_warmup_ratio": 0.3, "quantization_warmup_schedule": "sigmoid"},
    ),
    "warmup_cosine": (
        "λ warm-up, cosine",
        {"quantization_warmup_ratio": 0.3, "quantization_warmup_schedule": "cosine"},
    ),
    "latent_clip": ("latents clipped at 3 γ", {"latent_clip": 3.0}),
    "dense_rate": ("dense parameters at the dense rate", {"dense_learning_rate": DENSE_RATE}),
    "decay": (
        "decay 0.1 of ternary weights only",
        {"weight_decay": 0.1, "dense_weight_decay": 0.0},
    ),
    "row_scales": ("a scale a row", {"granularity": "row"}),
    "dead_zone": ("dead-zone remedy", {"dead_zone_strength": 0.01}),
    "freezing": ("oscillating codes frozen, last 30 %", {"freeze_oscillating_ratio": 0.3}),
    "averaging": ("average of the latents", {"latent_average_decay": 0.95}),
}

LATER = {
    "recipe_and_warmup_sigmoid",
    "recipe_and_warmup_cosine",
    "recipe_and_decay",
}
"""Variants of the text that are run last."""

RECIPE: tuple[str, ...] = ()
"""The ingredients of the recipe beside its distillation."""
RECIPE_DISTILLATION: dict[str, Any] = {"distillation_weight": 0.9, "distillation_temperature": 2.0}
RECIPE_START = "teacher"

BITDISTILL: dict[str, Any] = {
    "sub_norms": True,
    "distillation_weight": 10 / 11,
    "distillation_temperature": 5.0,
    "attention_distillation_weight": 1.0,
}
"""BitDistill (arXiv 2510.13998) without its continued pre-training: cross-entropy + 10 times the divergence at temperature 5,
sub-norms and attention relations; of these γ = 1 of docs/distillation.md, as the paper's 1e5 depends on how it sums."""

DISTILLATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "reverse": ("reverse divergence", {"distillation_divergence": "reverse"}),
    "js": ("Jensen-Shannon divergence", {"distillation_divergence": "js"}),
    "temperature_1": ("temperature 1", {"distillation_temperature": 1.0}),
    "temperature_4": ("temperature 4", {"distillation_temperature": 4.0}),
    "weight_0.5": ("weight 0.5", {"distillation_weight": 0.5}),
    "weight_1": ("weight 1: the teacher alone", {"distillation_weight": 1.0}),
    "attention": ("attention relations, too", {"attention_distillation_weight": 1.0}),
}


@dataclass(frozen=True)
class Variant:
    """One line of a table.

    Attributes:
        name: In file names and on the command line.
        label: In tables and plots.
        family: Whose learning rate: `dense`, `straight`, `distilled`, `latent_free`; `rounded` is not trained.
        options: Of `TernarySFTConfig`, over `NEUTRAL`.
        teacher: Whether the seed's `full_precision` teaches.
        start: `base`, or `teacher`: the weights of the seed's `full_precision`.
        steps: Times the study's steps.
        level: 0 is run first of all seeds, then 1, then 2.
    """

    name: str
    label: str
    family: str = "straight"
    options: Mapping[str, Any] = field(default_factory=dict)
    teacher: bool = False
    start: str = "base"
    steps: int = 1
    level: int = 1

    @property
    def needs_full_precision(self) -> bool:
        return self.teacher or self.start == "teacher"

    def all_options(self) -> dict[str, Any]:
        """Neutral where the variant says nothing."""
        return {**NEUTRAL, **self.options}

    def trainer_options(self, part: str, rate: float) -> dict[str, Any]:
        """What the trainer is given for a part and a rate of the variant's family."""
        options = {**self.all_options(), "learning_rate": rate}
        if self.family == "latent_free":
            options |= {"learning_rate": RATES[part]["dense"], "grid_learning_rate": rate}
        if options["dense_learning_rate"] == DENSE_RATE:
            options["dense_learning_rate"] = RATES[part]["dense"]
        return options


def _recipe_options() -> dict[str, Any]:
    options = dict(RECIPE_DISTILLATION)
    for name in RECIPE:
        options |= INGREDIENTS[name][1]
    return options


def _always() -> Iterator[Variant]:
    """In both parts."""
    recipe = _recipe_options()
    yield Variant("full_precision", "full precision", "dense", level=0)
    yield Variant("rounded", "rounded afterwards", "rounded", start="teacher", level=0)
    yield Variant("straight_through", "straight-through", level=0)
    yield Variant(
        "recipe", "recipe", "distilled", recipe, teacher=True, start=RECIPE_START, level=0
    )
    other = "teacher" if RECIPE_START == "base" else "base"
    yield Variant(
        f"recipe_from_{other}",
        "recipe, from the teacher's weights" if other == "teacher" else "recipe, from the base",
        "distilled",
        recipe,
        teacher=True,
        start=other,
    )
    yield Variant(
        "bitdistill",
        "BitDistill's ingredients, from the base",
        "distilled",
        BITDISTILL,
        teacher=True,
        level=2,
    )


def _latent_free(level: int) -> Iterator[Variant]:
    # What needs latents stays at its neutral value; of the recipe its distillation and its start remain.
    options = {**RECIPE_DISTILLATION, "projection": "stochastic"}
    made = Variant("latent_free", "latent-free", "latent_free", options, teacher=True, level=level)
    yield replace(made, label="latent-free recipe", start=RECIPE_START)
    yield replace(
        made, name="latent_free_from_base", label="latent-free recipe, from the base", level=2
    )


def task_variants() -> list[Variant]:
    """Of the tasks: few, as each run costs minutes."""
    twice = Variant("straight_through_twice", "straight-through, twice the steps", steps=2, level=2)
    return [*_always(), *_latent_free(0), twice]


def text_variants() -> list[Variant]:
    """Of the text: each ingredient added to straight-through, and added to or removed from the recipe."""
    recipe = _recipe_options()
    found = [*_always(), *_latent_free(1)]
    found.append(
        Variant(
            "straight_through_from_teacher",
            "straight-through, from the teacher's weights",
            start="teacher",
        )
    )
    found.append(
        Variant(
            "latent_free_alone",
            "latent-free, from the base, without a teacher",
            "latent_free",
            {"projection": "stochastic"},
        )
    )
    for name, (label, options) in DISTILLATIONS.items():
        found.append(
            Variant(
                f"recipe_{name}",
                f"recipe, {label}",
                "distilled",
                recipe | options,
                True,
                RECIPE_START,
            )
        )
    if RECIPE:
        rest = {key: value for key, value in recipe.items() if key not in RECIPE_DISTILLATION}
        found.append(Variant("recipe_without_teacher", "recipe without a teacher", options=rest))
    for name, (label, options) in INGREDIENTS.items():
        found.append(Variant(f"add_{name}", f"straight-through, {label}", options=options))
        if name in RECIPE:
            left = {key: value for key, value in recipe.items() if key not in options}
            for other in RECIPE:  # two ingredients may share an option
                left |= INGREDIENTS[other][1] if other != name else {}
            title, change = f"recipe without {label}", left
        else:
            title, change = f"recipe, {label}", recipe | options
        kind = "without" if name in RECIPE else "and"
        found.append(
            Variant(f"recipe_{kind}_{name}", title, "distilled", change, True, RECIPE_START)
        )
    return [replace(one, level=2) if one.name in LATER else one for one in found]


def variants_of(part: str) -> list[Variant]:
    """All variants of `tasks` or `text`, the order in which they are run within a level."""
    return task_variants() if part == "tasks" else text_variants()


def unknown_options(variant: Variant) -> list[str]:
    """Options that this version of bitsft does not have and that are not neutral."""
    from bitsft import TernarySFTConfig

    known = {f.name for f in fields(TernarySFTConfig)}
    return sorted(name for name in variant.options if name not in known)
