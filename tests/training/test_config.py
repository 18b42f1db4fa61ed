"""Ternary options, and scripts that pass TRL's own arguments."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from transformers import HfArgumentParser, TrainingArguments
from trl import SFTConfig, TrlParser

from bitsft.training.config import TernarySFTConfig, as_ternary_config


def test_defaults(tmp_path: Path) -> None:
    config = TernarySFTConfig(str(tmp_path))
    assert config.learning_rate == 2e-4 == 10 * SFTConfig(str(tmp_path), use_cpu=True).learning_rate
    assert config.projection == "latent"
    assert config.quantization_warmup_ratio == 0
    assert config.latent_clip is None
    assert config.keep_latent_weights is False


def test_without_an_accelerator_it_trains_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    config = TernarySFTConfig(str(tmp_path), bf16=True)
    assert config.use_cpu and config.bf16


def test_sft_config_keeps_its_values_and_stays_as_it_is(tmp_path: Path) -> None:
    args = SFTConfig(str(tmp_path), learning_rate=3e-5, max_length=77, packing=True, use_cpu=True)
    before = dict(vars(args))
    ternary = as_ternary_config(args, "model")
    assert type(ternary) is TernarySFTConfig
    assert (ternary.learning_rate, ternary.max_length, ternary.packing) == (3e-5, 77, True)
    assert ternary.projection == "latent" and ternary.keep_latent_weights is False
    assert type(args) is SFTConfig and dict(vars(args)) == before


def test_training_arguments_become_ternary(tmp_path: Path) -> None:
    args = TrainingArguments(str(tmp_path), learning_rate=3e-5, hub_token="secret", use_cpu=True)
    ternary = as_ternary_config(args, "model")
    assert ternary.learning_rate == 3e-5 and ternary.hub_token == "secret"


def test_no_arguments_name_the_run_after_the_model() -> None:
    assert as_ternary_config(None, "tiny-llama").output_dir == "tiny-llama-Ternary-SFT"


def test_ternary_config_is_passed_through(tmp_path: Path) -> None:
    config = TernarySFTConfig(str(tmp_path))
    assert as_ternary_config(config, "model") is config


def test_options_of_the_parts_come_after_those_of_trl() -> None:
    names = [f.name for f in fields(TernarySFTConfig)]
    assert names[: len(fields(SFTConfig))] == [f.name for f in fields(SFTConfig)]


def test_every_option_beyond_trls_is_described() -> None:
    described = re.findall(r"^        (\w+): ", TernarySFTConfig.__doc__ or "", re.MULTILINE)
    own = {f.name for f in fields(TernarySFTConfig)} - {f.name for f in fields(SFTConfig)}
    assert own | {"learning_rate"} == set(described) - {"ValueError"}
    assert len(described) == len(set(described))


def test_works_with_trls_parser(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"output_dir: {tmp_path}\nquantization_warmup_schedule: cosine\n")
    (config,) = TrlParser(TernarySFTConfig).parse_args_and_config(
        ["--config", str(recipe), "--quantization_warmup_ratio", "0.25"]
    )
    assert config.quantization_warmup_schedule == "cosine"
    assert config.quantization_warmup_ratio == 0.25


def test_works_on_a_command_line(tmp_path: Path) -> None:
    parser = HfArgumentParser(TernarySFTConfig)
    assert "quantization_warmup_ratio" in parser.format_help()
    (config,) = parser.parse_args_into_dataclasses(
        ["--output_dir", str(tmp_path), "--projection", "stochastic"]
    )
    assert config.projection == "stochastic"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection": "nearest"}, "projection is 'nearest'; use 'latent' or 'stochastic'"),
        ({"quantization_warmup_ratio": 1.0}, "quantization_warmup_ratio is 1.0"),
        ({"quantization_warmup_ratio": -0.1}, "quantization_warmup_ratio is -0.1"),
        ({"quantization_warmup_schedule": "exp"}, "quantization_warmup_schedule is 'exp'"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; use a finite number from 0 up"),
        ({"learning_rate": -1e-4}, "learning_rate is -0.0001; use a finite number"),
        ({"learning_rate": "2e-4"}, "learning_rate is '2e-4'; use a finite number"),
        ({"latent_clip": 0.5}, "latent_clip is 0.5"),
        ({"projection": "stochastic", "latent_clip": 2.0}, "latent_clip needs latent weights"),
        ({"projection": "stochastic", "keep_latent_weights": True}, "keep_latent_weights needs"),
        (
            {"projection": "stochastic", "quantization_warmup_ratio": 0.1},
            "quantization_warmup_ratio needs",
        ),
    ],
)
def test_values_out_of_range(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TernarySFTConfig(str(tmp_path), **options)  # type: ignore[arg-type]
