"""`bitsft export` and `bitsft verify` as a user types them, from a folder of masters on."""

import json
from pathlib import Path

import pytest
import torch

from bitsft.checkpoint import save_ternary
from bitsft.checkpoint.gguf.blocks import tensor_type
from bitsft.checkpoint.save import FORMATS
from bitsft.cli import export, main
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear

TEXTS = ["서울의 인구는 약 천만 명입니다", "부산은 항구 도시입니다", "the cat is on the mat"] * 4


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full-precision model with its tokenizer, widths that every format holds."""
    folder = tmp_path_factory.mktemp("models") / "masters"
    torch.manual_seed(0)
    tokenizer = train_tokenizer(TEXTS, 400)
    new_llama(tokenizer, hidden_size=128, layers=2, heads=4).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_each_format(
    masters: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = {
        "transformers": "model.safetensors",
        "latent": "model.safetensors",
        "dense": "model.safetensors",
        "compressed-tensors": "model.safetensors",
        "gguf": "model-TQ2_0.gguf",
        "i2_s": "model-i2_s.gguf",
    }
    for format, file in expected.items():
        assert main(["export", str(masters), str(tmp_path / format), "--format", format]) == 0
        assert (tmp_path / format / file).is_file()
        assert str(tmp_path / format / file) in capsys.readouterr().out
    config = json.loads((tmp_path / "transformers" / "config.json").read_text())
    assert config["quantization_config"]["linear_class"] == "bitlinear"
    said = "TQ2_0 cannot hold every ternary matrix without loss; 14 became Q4_0."
    assert said in caplog.text, "rows of 128 do not fill blocks of 256"


def test_the_choices_are_those_of_the_library() -> None:
    assert export.FORMATS == FORMATS
    for gguf_type in export.GGUF_TYPES:
        assert tensor_type(gguf_type).name == gguf_type


def test_a_folder_is_not_overwritten_unasked(
    masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(masters), str(tmp_path / "out")]
    assert main(arguments) == 0
    capsys.readouterr()
    assert main(arguments) == 1
    assert "is not empty (it holds" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--format", "dense", "--dtype", "float16"]) == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["dtype"] == "float16" and "quantization_config" not in config


def test_export_with_proof_prints_the_table(
    masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    arguments = ["export", str(masters), str(tmp_path / "out")]
    assert main([*arguments, "--texts", str(tmp_path / "texts.txt")]) == 2
    assert "--texts says what to verify on; add --verify" in capsys.readouterr().err
    assert main([*arguments, "--verify", "--texts", str(tmp_path / "texts.txt")]) == 0
    printed = capsys.readouterr().out
    assert "max |Δ logit|" in printed and "passed" in printed
    assert str(tmp_path / "out") in printed and "incomplete" not in printed


def test_a_failed_proof_leaves_the_old_folder(
    masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace_linear_with_bitlinear(
        new_llama(train_tokenizer(TEXTS, 400), hidden_size=128, layers=2, heads=4)
    )
    with torch.no_grad():
        other.model.layers[0].self_attn.v_proj.weight.neg_()
    save_ternary(other, tmp_path / "out")  # type: ignore[arg-type]
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    from bitsft.checkpoint import save

    monkeypatch.setattr(
        save, "load_ternary", lambda folder: other
    )  # the reference is another model
    with pytest.raises(ValueError, match="does not agree with the model, so nothing was changed"):
        save_ternary(masters, tmp_path / "out", overwrite=True, verify=True, verify_texts=TEXTS)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_verify_reads_masters_as_ternary_when_told(
    masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(masters), str(tmp_path / "out")]) == 0
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    verify = ["verify", str(masters), str(tmp_path / "out"), "--texts", str(tmp_path / "texts.txt")]
    assert main(verify) == 3, "as stored, the masters are a dense model"
    assert main([*verify, "--ternary"]) == 0
    assert "passed" in capsys.readouterr().out


def test_verify_compares_a_file_of_bitnet_cpp_by_its_tensors(
    masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(masters), str(tmp_path / "out"), "--format", "i2_s"]) == 0
    assert main(["verify", str(masters), str(tmp_path / "out")]) == 0
    assert "scales of all 14 ternary layers" in capsys.readouterr().out
    file = tmp_path / "out" / "model-i2_s.gguf"
    damaged = bytearray(file.read_bytes())
    damaged[-5000] ^= 0b01
    file.write_bytes(damaged)
    assert main(["verify", str(masters), str(tmp_path / "out")]) == 3
    assert "failed" in capsys.readouterr().out


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bitsft: ") and "nowhere" in error and error.count("\n") == 1
