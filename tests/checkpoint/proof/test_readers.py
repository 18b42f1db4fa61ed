"""Readers: models in memory, folders in stock transformers, GGUF files; and what they refuse."""

import copy
import json
import os
import signal
import struct
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.checkpoint import save_ternary
from bitsft.checkpoint.gguf.header import read_gguf_header
from bitsft.checkpoint.proof.readers import gguf_file_of, open_reader
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from tests.checkpoint.proof.tiny_gguf import write_llama_gguf
from tests.conftest import TEXTS

ROOT = Path(__file__).parents[2]
IDS = torch.arange(3, 40)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, vocab_size=320)


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return replace_linear_with_bitlinear(new_llama(tokenizer, hidden_size=64, layers=2)).eval()


@pytest.fixture(scope="module")
def expected(model: LlamaForCausalLM) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS.unsqueeze(0)).logits[0]


def rewrite(folder: Path, change: dict[str, torch.Tensor | None]) -> None:
    """Replace tensors of a checkpoint, or drop those that are None."""
    file = folder / "model.safetensors"
    tensors = {n: t.clone() for n, t in load_file(file).items()} | change
    save_file({n: t for n, t in tensors.items() if t is not None}, file, metadata={"format": "pt"})


class TestModelInMemory:
    def test_logits_and_side(self, model: LlamaForCausalLM, expected: torch.Tensor) -> None:
        with open_reader(model) as reader:
            assert torch.equal(reader.logits(IDS), expected)
            assert str(reader.side) == (
                "model in memory: LlamaForCausalLM, read by bitsft, 14 ternary layers, float32"
            )
            assert (reader.side.vocab_size, reader.side.positions) == (320, 1024)

    def test_the_model_stays_as_it_is(self, model: LlamaForCausalLM) -> None:
        model = copy.deepcopy(model).to(torch.bfloat16).train()
        model.model.layers[0].eval()  # a frozen part
        model(IDS.unsqueeze(0), labels=IDS.unsqueeze(0)).loss.backward()
        flags = [module.training for module in model.modules()]
        gradients = [p.grad.clone() for p in model.parameters()]  # type: ignore[union-attr]
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        config = model.config.to_dict()
        with open_reader(model) as reader:
            reader.logits(IDS)
        assert flags == [module.training for module in model.modules()]
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            assert parameter.grad is not None and torch.equal(parameter.grad, gradient)
        assert all(torch.equal(t, weights[n]) for n, t in model.state_dict().items())
        assert {t.dtype for t in model.parameters()} == {torch.bfloat16}
        assert config == model.config.to_dict()
        assert not any(layer._holds_codes for layer in ternary_layers(model).values())

    def test_a_bf16_model_is_computed_in_float32(
        self, model: LlamaForCausalLM, tmp_path: Path
    ) -> None:
        narrow = copy.deepcopy(model)
        for parameter in narrow.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        wide = copy.deepcopy(narrow)
        ternary = {f"{name}.weight" for name in ternary_layers(wide)}  # γ follows from their dtype
        for name, parameter in wide.named_parameters():
            if name not in ternary:
                parameter.data = parameter.data.to(torch.float32)
        with open_reader(narrow) as reader, open_reader(wide) as reference:
            assert torch.equal(reader.logits(IDS), reference.logits(IDS))
            assert reader.logits(IDS).dtype == torch.float32

    @pytest.mark.parametrize(
        ("bits", "expected"),
        [((8, 8), "int8 per token"), ((None, None), "floats"), ((8, None), "other")],
    )
    def test_how_activations_are_rounded(
        self, model: LlamaForCausalLM, bits: tuple[int | None, int | None], expected: str
    ) -> None:
        model = copy.deepcopy(model)
        for number, layer in enumerate(ternary_layers(model).values()):
            layer.activation_bits = bits[number % 2]
        with open_reader(model) as reader:
            assert reader.side.activations == expected


class TestStockTransformers:
    def test_the_same_logits_without_bitsft(
        self, model: LlamaForCausalLM, expected: torch.Tensor, tmp_path: Path
    ) -> None:
        save_ternary(model, tmp_path)
        rewrite(tmp_path, {"vision.weight": torch.ones(2)})
        with open_reader(tmp_path, threads=1) as reader:
            assert torch.equal(reader.logits(IDS), expected)
            assert torch.equal(reader.logits(IDS[:5]), expected[:5]), "text by text"
            side = reader.side
            kept = Path(reader._folder.name)
            assert [file.name for file in kept.iterdir()] == ["log.txt"], "no logits stay behind"
            os.kill(reader._process.pid, signal.SIGKILL)
            with pytest.raises(ValueError, match=r"transformers cannot read it \(signal 9\)"):
                reader.logits(IDS)
        assert not kept.exists()
        assert side.runtime.startswith("transformers 5.")
        assert side.runtime.endswith(", without bitsft, float32")
        assert (side.vocab_size, side.positions) == (320, 1024)
        assert side.activations == "int8 per token"
        assert side.notes == (f"tensors in {tmp_path} that the model does not use: vision.weight",)

    def test_bitsft_cannot_be_imported_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "transformers.py").write_text(
            "try:\n    import bitsft.ternary\nexcept ImportError:\n    raise OSError('none here')\n"
        )
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
        (tmp_path / "config.json").write_text("{}")
        with (
            open_reader(tmp_path) as reader,
            pytest.raises(ValueError, match=r"exit status 1\): OSError: none here"),
        ):
            reader.logits(IDS)

    def test_files_that_are_not_the_model(self, model: LlamaForCausalLM, tmp_path: Path) -> None:
        scale = "model.layers.1.mlp.up_proj.weight_scale"
        for name in ("missing", "mismatched"):
            save_ternary(model, tmp_path / name)
        rewrite(tmp_path / "missing", {scale: None})
        config = json.loads((tmp_path / "mismatched" / "config.json").read_text())
        config["vocab_size"] = 300
        (tmp_path / "mismatched" / "config.json").write_text(json.dumps(config))
        with (  # side by side: starting them is what takes the time
            open_reader(tmp_path / "missing", threads=1) as missing,
            open_reader(tmp_path / "mismatched", threads=1) as mismatched,
        ):
            with pytest.raises(ValueError, match=rf"missing: .* no value for {scale} of Llama"):
                _ = missing.side
            # Named when it is loaded, or, by transformers 5.0, only when it computes.
            with pytest.raises(ValueError, match=r"mismatched: .*320\D.*\D300\b"):
                mismatched.logits(IDS)


class TestGGUF:
    def test_both_runtimes_read_the_same_model(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        pytest.importorskip("llama_cpp")
        weight_only = copy.deepcopy(model)
        for layer in ternary_layers(weight_only).values():
            layer.activation_bits = None
        write_llama_gguf(model, tokenizer, tmp_path / "model.gguf")
        with (
            open_reader(tmp_path, runtime="transformers", threads=1) as floats,
            open_reader(tmp_path, threads=1, max_length=64) as llama,
            open_reader(weight_only) as reference,
        ):
            logits = reference.logits(IDS)
            assert llama.side.runtime.startswith("llama.cpp (llama-cpp-python ")
            assert (llama.side.model, llama.side.vocab_size) == ("llama", 320)
            assert llama.side.positions == 1024
            assert (llama.logits(IDS) - logits).abs().max() < 2e-3
            assert (llama.logits(IDS[:9]) - logits[:9]).abs().max() < 2e-3
            assert llama.tokenize(TEXTS[3]) == tokenizer(TEXTS[3])["input_ids"]
            assert (floats.logits(IDS) - logits).abs().max() < 1e-5
            assert floats.side.runtime.endswith("without bitsft, float32, weights dequantized")
            assert (floats.side.activations, llama.side.activations) == ("floats", "other")

    def test_what_llama_cpp_says_reaches_the_user(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        pytest.importorskip("llama_cpp")
        file = tmp_path / "model.gguf"
        write_llama_gguf(model, tokenizer, file)
        data = file.read_bytes()
        file.write_bytes(data.replace(b"gpt-2", b"gpt-z"))
        with (
            open_reader(file, runtime="llama.cpp") as reader,
            pytest.raises(ValueError, match=r"llama.cpp cannot.*unknown pre-tokenizer.*'gpt-z'"),
        ):
            _ = reader.side

    def test_an_architecture_that_transformers_lacks(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        file = tmp_path / "model.gguf"
        write_llama_gguf(model, tokenizer, file)
        file.write_bytes(file.read_bytes().replace(b"llama", b"lxama"))
        with (
            open_reader(file, runtime="transformers") as reader,
            pytest.raises(ValueError, match=r"lxama is not supported.*pip install .bitsft\[llama"),
        ):
            _ = reader.side

    def test_without_any_runtime(
        self,
        model: LlamaForCausalLM,
        tokenizer: PreTrainedTokenizerFast,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        file = tmp_path / "model.gguf"
        write_llama_gguf(model, tokenizer, file)
        monkeypatch.setitem(sys.modules, "llama_cpp", None)
        with pytest.raises(ImportError, match=r'pip install "bitsft\[llama-cpp\]"'):
            open_reader(file, runtime="llama.cpp")
        monkeypatch.setitem(sys.modules, "gguf", None)
        with pytest.raises(
            ImportError, match=r'bitsft\[llama-cpp\].*pip install "bitsft\[gguf\]".*neither'
        ):
            open_reader(file)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def header(tensor_type: int = 35, version: int = 3) -> bytes:
    """Two tensors and one pair of every kind of value, by the specification."""
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("bitnet-b1.58"),
        text("bitnet-b1.58.context_length") + struct.pack("<II", 4, 4096),
        text("eps") + struct.pack("<If", 6, 0.5),
        text("yes") + struct.pack("<I?", 7, True),
        text("scores") + struct.pack("<IIQ3f", 9, 6, 3, 1, 2, 3),
        text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("가") + text(""),
        text("nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ2H", 2, 2, 7, 8),
    ]
    tensors = [
        text("token_embd.weight") + struct.pack("<IQQIQ", 2, 64, 300, 1, 0),
        text("blk.0.attn_q.weight") + struct.pack("<IQQIQ", 2, 64, 64, tensor_type, 38400),
    ]
    counts = struct.pack("<IQQ", version, len(tensors), len(pairs))
    return b"GGUF" + counts + b"".join(pairs) + b"".join(tensors)


class TestGGUFHeader:
    def test_values_and_types(self, tmp_path: Path) -> None:
        (tmp_path / "a.gguf").write_bytes(header() + bytes(64))
        found = read_gguf_header(tmp_path / "a.gguf")
        assert found.values == {
            "general.architecture": "bitnet-b1.58",
            "bitnet-b1.58.context_length": 4096,
            "eps": 0.5,
            "yes": True,
        }
        kinds = {name: tensor.kind for name, tensor in found.tensors.items()}
        assert kinds == {"token_embd.weight": 1, "blk.0.attn_q.weight": 35}
        assert found.architecture == "bitnet-b1.58"
        assert not found.is_i2_s

    def test_i2_s_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        (tmp_path / "a.gguf").write_bytes(header(tensor_type=36))
        with pytest.raises(ValueError, match=r"a\.gguf: logits of an i2_s file need bitnet.cpp"):
            open_reader(tmp_path)

    @settings(derandomize=True, max_examples=40, deadline=None)
    @given(length=st.integers(0, len(header()) - 1))
    def test_any_truncation_is_one_clear_error(
        self, length: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        file = tmp_path_factory.mktemp("cut") / "a.gguf"
        file.write_bytes(header()[:length])
        with pytest.raises(ValueError, match=r"no GGUF file|ends within its header"):
            read_gguf_header(file)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"PK\x03\x04" + bytes(60), "starts with b'PK.*no GGUF file"),
            (header(version=1), "GGUF version 1; versions 2 and 3"),
            (header().replace(struct.pack("<I?", 7, True), struct.pack("<IB", 77, 1)), "damaged"),
        ],
    )
    def test_other_files(self, data: bytes, message: str, tmp_path: Path) -> None:
        (tmp_path / "a.gguf").write_bytes(data)
        with pytest.raises(ValueError, match=message):
            read_gguf_header(tmp_path / "a.gguf")


class TestWhatAPathStandsFor:
    def test_paths(self, tmp_path: Path) -> None:
        (tmp_path / "a.gguf").write_bytes(header())
        assert gguf_file_of(tmp_path / "a.gguf") == tmp_path / "a.gguf"
        assert gguf_file_of(tmp_path) == tmp_path / "a.gguf"
        (tmp_path / "config.json").write_text("{}")
        assert gguf_file_of(tmp_path) is None, "a folder of transformers"

    def test_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"neither a config\.json nor a \.gguf"):
            gguf_file_of(tmp_path)
        (tmp_path / "model.bin").write_bytes(b"x")
        with pytest.raises(ValueError, match=r"model\.bin: a file must be a \.gguf"):
            gguf_file_of(tmp_path / "model.bin")
        with pytest.raises(FileNotFoundError, match="owner/name: no such .* hf download"):
            gguf_file_of(Path("owner/name"))

    def test_two_files(self, tmp_path: Path) -> None:
        for name in "ab":
            (tmp_path / f"{name}.gguf").write_bytes(header())
        with pytest.raises(ValueError, match=r"holds 2 GGUF files \(a\.gguf, b\.gguf"):
            gguf_file_of(tmp_path)

    def test_options(self, model: LlamaForCausalLM) -> None:
        with pytest.raises(ValueError, match="runtime is 'ollama'; use one of auto, transformers"):
            open_reader(model, runtime="ollama")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="dtype is torch.int8; use one of torch.float32"):
            open_reader(model, dtype=torch.int8)
