"""Options that need the trainer to be judged, and which error comes first where several would."""

from pathlib import Path

import pytest
from torch import nn

from bitsft.ternary import BitLinear158
from bitsft.training import TernarySFTConfig
from bitsft.training.option_checks import check_deepspeed_reaches_weights, check_options_fit

DEEPSPEED = (
    "DeepSpeed keeps the weights in its own partitions, where neither projection='stochastic' nor latent_clip can reach "
    "them. Use projection='latent' without latent_clip."
)


@pytest.mark.parametrize("options", [{"projection": "stochastic"}, {"latent_clip": 2.0}])
def test_what_writes_into_weights_that_deepspeed_holds(
    options: dict[str, object], tmp_path: Path
) -> None:
    args = TernarySFTConfig(str(tmp_path), **options)
    with pytest.raises(ValueError) as error:
        check_deepspeed_reaches_weights(args, deepspeed=True)
    assert str(error.value) == DEEPSPEED
    check_deepspeed_reaches_weights(args, deepspeed=False)
    check_deepspeed_reaches_weights(TernarySFTConfig(str(tmp_path)), deepspeed=True)


def refusal(
    tmp_path: Path, options: dict[str, object], *, trained: bool = True, **given: bool
) -> str | None:
    """What `check_options_fit` says of a model of one ternary layer; None where it says nothing."""
    model = nn.Sequential(BitLinear158(4, 4)).requires_grad_(trained)
    here = {
        "optimizer_made": False,
        "optimizer_class_given": False,
        "deepspeed": False,
        "fsdp": False,
    }
    try:
        check_options_fit(TernarySFTConfig(str(tmp_path), **options), model, **{**here, **given})
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("options", "given", "begins"),
    [
        (
            {"latent_average_decay": 0.99},
            {"fsdp": True},
            "latent_average_decay cannot reach weights",
        ),
        ({"dead_zone_strength": 0.1}, {"trained": False}, "dead_zone_strength: no ternary weight"),
        (
            {"projection": "stochastic"},
            {"fsdp": True},
            "projection='stochastic' rounds whole matrices",
        ),
        (
            {"projection": "stochastic"},
            {"optimizer_made": True},
            "projection='stochastic' brings its own",
        ),
        (
            {"projection": "stochastic"},
            {"optimizer_class_given": True},
            "projection='stochastic' brings its own",
        ),
        (
            {"dense_learning_rate": 0.1},
            {"optimizer_made": True},
            "dense_learning_rate and dense_weight_decay do not reach",
        ),
        (
            {"dense_learning_rate": 0.1},
            {"deepspeed": True},
            "dense_learning_rate and dense_weight_decay do not work",
        ),
        (
            {"dense_learning_rate": 0.1},
            {"trained": False},
            "dense_learning_rate and dense_weight_decay need ternary",
        ),
        # several at once: stabilisers, then the way of training, then the groups of the optimizer
        (
            {"latent_average_decay": 0.99, "dense_learning_rate": 0.1},
            {"deepspeed": True},
            "latent_average_decay cannot reach weights",
        ),
        (
            {"projection": "stochastic", "dense_learning_rate": 0.1},
            {"optimizer_made": True},
            "projection='stochastic' brings its own",
        ),
    ],
)
def test_what_is_refused(
    options: dict[str, object], given: dict[str, bool], begins: str, tmp_path: Path
) -> None:
    said = refusal(tmp_path, options, **given)
    assert said is not None and said.startswith(begins)


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, {"optimizer_made": True, "deepspeed": True, "fsdp": True, "trained": False}),
        ({"projection": "stochastic"}, {"optimizer_made": True, "trained": False}),
        ({"dense_learning_rate": 0.1}, {"optimizer_class_given": True}),
        ({"dead_zone_strength": 0.1}, {"fsdp": True}),
    ],
)
def test_what_is_not(options: dict[str, object], given: dict[str, bool], tmp_path: Path) -> None:
    assert refusal(tmp_path, options, **given) is None
