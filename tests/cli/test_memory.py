import json
from pathlib import Path

import pytest
from transformers import LlamaConfig

from bitsft.cli import main
from bitsft.cli.memory import _METHODS
from bitsft.memory import METHODS, predict_memory


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """config.json and nothing else: no weights are needed."""
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    config.save_pretrained(tmp_path)
    return str(tmp_path)


def test_the_command_has_every_method() -> None:
    assert list(METHODS) == list(_METHODS)


def test_one_method(folder: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "forecast.json"
    arguments = ["--method", "latent", "--batch", "2", "--length", "64", "--json", str(target)]
    assert main(["memory", folder, *arguments]) == 0
    printed = capsys.readouterr().out
    peak = predict_memory(folder, "latent", 2, 64).peak
    assert "batch 2 x 64 tokens, activations recomputed, on cpu" in printed
    assert f"peak of tensors       {peak / 1e9:>7.2f} GB" in printed
    (found,) = json.loads(target.read_text())
    assert found["peak"] == peak
    assert found["parts"]["held codes"] == 2 * 36_864


def test_all_methods_side_by_side(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", folder, "--length", "64", "--device-memory", "8G"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:8]] == list(METHODS)
    assert lines[1].split()[-2:] == ["batch", "length"]


def test_what_does_not_fit_is_status_3(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--method", "lora", "--length", "64", "--device-memory", "100M"]
    assert main(["memory", folder, *arguments]) == 3
    assert "no rows of 64 tokens" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device-memory", "much"], "'much' is not a size"),
        (["--optim", "sgd"], "add --method"),
        (["--method", "latent", "--batch", "0"], "batch_size is 0"),
    ],
)
def test_errors(
    folder: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memory", folder, *arguments]) == 1
    assert message in capsys.readouterr().err
