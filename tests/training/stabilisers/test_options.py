"""Ranges of the options, and what they cannot be combined with in the arguments."""

from pathlib import Path

import pytest

from bitsft.training import TernarySFTConfig


def test_all_off_by_default(tmp_path: Path) -> None:
    assert TernarySFTConfig(str(tmp_path)).stabilisers_in_use() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dead_zone_strength": -0.1}, "dead_zone_strength is -0.1"),
        ({"dead_zone_strength": 1.5}, "dead_zone_strength is 1.5"),
        ({"freeze_oscillating_ratio": 1.1}, "freeze_oscillating_ratio is 1.1"),
        ({"freeze_oscillating_ratio": -1.0}, "freeze_oscillating_ratio is -1.0"),
        ({"latent_average_decay": 0.0}, "latent_average_decay is 0.0"),
        ({"latent_average_decay": 1.0}, "latent_average_decay is 1.0"),
        (
            {"projection": "stochastic", "dead_zone_strength": 0.1},
            "dead_zone_strength needs latent weights",
        ),
        (
            {"projection": "stochastic", "freeze_oscillating_ratio": 0.1},
            "freeze_oscillating_ratio needs latent weights",
        ),
        (
            {"projection": "stochastic", "latent_average_decay": 0.9},
            "latent_average_decay needs latent weights",
        ),
        (
            {
                "latent_average_decay": 0.9,
                "save_only_model": True,
                "load_best_model_at_end": True,
                "eval_strategy": "steps",
                "save_strategy": "steps",
            },
            "latent_average_decay with save_only_model",
        ),
    ],
)
def test_values_out_of_range(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TernarySFTConfig(str(tmp_path), **options)  # type: ignore[arg-type]
