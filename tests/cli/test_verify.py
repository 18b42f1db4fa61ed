"""`bitsft verify`: arguments, exit status, the report in a file, the files of texts."""

import argparse
import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from bitsft.checkpoint import save_ternary
from bitsft.cli.verify import add_verify_arguments, read_texts
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear

TEXTS = ["한라산은 제주도에 있습니다.\n백두산은 북쪽에 있습니다.", "서울은 대한민국의 수도입니다."]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("command")
    tokenizer = train_tokenizer(TEXTS, vocab_size=320)
    model = replace_linear_with_bitlinear(new_llama(tokenizer, hidden_size=32, layers=2))
    save_ternary(model, root / "good")
    tokenizer.save_pretrained(root / "good")
    shutil.copytree(root / "good", root / "bad")
    name = "model.layers.1.mlp.down_proj.weight_scale"
    tensors = load_file(root / "bad" / "model.safetensors")
    tensors[name] = 1 / tensors[name]
    save_file(tensors, root / "bad" / "model.safetensors", metadata={"format": "pt"})
    (root / "texts.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    return root


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    add_verify_arguments(parser)
    parsed = parser.parse_args([str(argument) for argument in arguments])
    status = parsed.run(parsed)
    assert isinstance(status, int)
    return status


def test_equal_folders(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--texts", folders / "texts.txt", "--max-difference", 0, "--threads", 1)
    assert run(folders / "good", folders / "good", *options) == 0
    out = capsys.readouterr().out
    assert f"B  {folders / 'good'}: LlamaForCausalLM, read by transformers 5." in out
    assert "texts with equal tokens     2 of 2  all            ok" in out
    assert out.endswith("passed\n")


def test_beyond_a_bound(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    options = ("--texts", folders / "texts.txt", "--json", report, "--threads", 1)
    assert run(folders / "good", folders / "bad", *options) == 3
    assert "FAILED: mean KL(A‖B) is " in capsys.readouterr().out
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["passed"] is False and found["texts"] == 2
    assert found["exported"]["what"] == str(folders / "bad")


def test_nowhere_to_write(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--json .*none/r\.json: the folder .* not exist"):
        run(folders / "good", folders / "bad", "--json", tmp_path / "none" / "r.json")


def test_texts_from_files(folders: Path, tmp_path: Path) -> None:
    assert read_texts(folders / "texts.txt") == TEXTS
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "하나"}\n{"text": "둘"}\n', encoding="utf-8")
    assert read_texts(rows) == ["하나", "둘"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\n \n", "the file is empty"),
        ("a.txt", "서울".encode("cp949"), "not UTF-8, at byte 0"),
        ("a.jsonl", b'{"text": "x"}\n{"question": "y"}', r"row 1: no text.*\['question'\]"),
    ],
)
def test_files_without_texts(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_texts(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"b\.txt: no such file"):
        read_texts(tmp_path / "b.txt")


def test_an_unknown_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run("A", "B", "--runtime", "ollama")
    assert exit_info.value.code == 2
    assert "invalid choice: 'ollama'" in capsys.readouterr().err
