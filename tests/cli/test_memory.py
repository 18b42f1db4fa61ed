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
    ],
)
def test_wrong_use(
    folder: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memory", folder, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_no_rows_are_wrong_use(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["memory", folder, "--batch", "0"])
    assert exit_info.value.code == 2
    assert "argument --batch: 0 is too small; give 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["nowhere", "./a/model", "/a/model"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(
    folder: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([model], [folder, "--teacher", model]):
        assert main(["memory", *arguments]) == 1
        assert capsys.readouterr().err.startswith(f"bitsft: {model}: there is no such folder. ")


def test_the_json_file_s_folder_is_looked_for_first(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["memory", folder, "--json", str(tmp_path / "none" / "a.json")]) == 1
    said = capsys.readouterr()
    assert "none does not exist" in said.err and said.out == ""


def test_a_hub_id_without_a_network_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise OSError("We couldn't connect to the Hub.\nCheck your internet connection.")

    monkeypatch.setattr("bitsft.memory.forecast.predict_memory", unreachable)
    assert main(["memory", "owner/model"]) == 1
    assert capsys.readouterr().err == (
        "bitsft: owner/model: is no folder here, and its config.json could not be fetched from the Hub "
        "(We couldn't connect to the Hub.). Check the name and the network, or give a folder\n"
    )
