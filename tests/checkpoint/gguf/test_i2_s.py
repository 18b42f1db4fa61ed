"""i2_s files: the bytes of bitnet.cpp's llama-quantize, both model layouts, refusals, and the comparison with a model."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BitNetConfig,
    BitNetForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bitsft.checkpoint.gguf import i2_s_architectures
from bitsft.checkpoint.gguf.i2_s import check_i2_s, check_i2_s_file, read_i2_s, write_i2_s
from bitsft.checkpoint.gguf.i2_s_architectures import i2_s_bytes, i2_s_codes
from bitsft.checkpoint.gguf.writer import write_gguf
from bitsft.checkpoint.source import TernarySource, source_from_model
from bitsft.scratch import train_tokenizer
from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear

COLUMNS = np.arange(128)
CODES = np.stack(
    [(COLUMNS * 7 + COLUMNS // 32 * 3 + COLUMNS // 5 + 5 * row) % 3 - 1 for row in range(2)]
).astype(np.int8)
GAMMA = np.array(0.0123, np.float32)
QUANTIZED = bytes.fromhex(
    "2542940950254294095025429409502542940950254294095025429409502542"
    "902942a40a902942a40a902942a40a902942a40a902942a40a902942a40a9029"
    "f085493c"
) + bytes(28)
"""What bitnet.cpp's llama-quantize made of GAMMA * CODES (but for the last 28 bytes, which it leaves to chance)."""

SIZES: dict[str, Any] = {
    "vocab_size": 308,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def llama(**options: Any) -> PreTrainedModel:
    return LlamaForCausalLM(LlamaConfig(**{**SIZES, **options}))


def mistral(**options: Any) -> PreTrainedModel:
    return MistralForCausalLM(MistralConfig(**{**SIZES, **options}))


def bitnet(**options: Any) -> PreTrainedModel:
    return BitNetForCausalLM(BitNetConfig(**{**SIZES, "tie_word_embeddings": True, **options}))


def ternary_source(model: PreTrainedModel, **options: Any) -> TernarySource:
    torch.manual_seed(0)
    replace_linear_with_bitlinear(model.eval(), **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return source_from_model(model)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["Ternary weights are minus one, zero and one. 삼진 가중치."] * 3, 300)


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> tuple[TernarySource, Path]:
    source = ternary_source(llama())
    path = tmp_path_factory.mktemp("i2_s") / "llama.gguf"
    write_i2_s(source, path, tokenizer, progress=False)
    return source, path


def decoded(data: bytes, count: int) -> list[int]:
    """Value by value, from the description of the format."""
    codes = []
    for index in range(count):
        group, place = divmod(index, 128)
        byte = data[group * 32 + place % 32]
        codes.append((byte >> (6 - 2 * (place // 32)) & 3) - 1)
    return codes


def test_bytes_are_those_of_llama_quantize() -> None:
    assert i2_s_bytes(CODES, GAMMA).tobytes() == QUANTIZED


def test_codes_come_back_from_the_bytes_of_llama_quantize() -> None:
    codes, scale = i2_s_codes(np.frombuffer(QUANTIZED, np.uint8), 2, 128)
    assert codes.dtype == np.int8
    assert np.array_equal(codes, CODES)
    assert scale.shape == ()
    assert scale == GAMMA


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 7),
    groups=st.integers(1, 4),
    gamma=st.floats(2.0**-17, 2.0**17, width=32),
    seed=st.integers(0, 2**32 - 1),
)
def test_bytes_follow_the_description_and_lose_nothing(
    rows: int, groups: int, gamma: float, seed: int
) -> None:
    codes = np.random.default_rng(seed).integers(-1, 2, (rows, groups * 128)).astype(np.int8)
    data = i2_s_bytes(codes, np.array(gamma, np.float32))
    assert data.size == codes.size // 4 + 32
    assert decoded(data.tobytes(), codes.size) == codes.reshape(-1).tolist()
    assert struct.unpack_from("<f", data.tobytes(), codes.size // 4) == (gamma,)
    back, scale = i2_s_codes(data, *codes.shape)
    assert np.array_equal(back, codes)
    assert float(scale) == gamma


def test_chunks_of_rows_join_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).integers(-1, 2, (7, 256)).astype(np.int8)
    whole = i2_s_bytes(codes, GAMMA)
    monkeypatch.setattr(i2_s_architectures, "CHUNK_ELEMENTS", 600)
    assert len(list(i2_s_architectures.i2_s_chunks(codes, GAMMA))) == 5  # 2, 2, 2, 1 rows and γ
    assert np.array_equal(i2_s_bytes(codes, GAMMA), whole)


def test_bytes_of_other_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="4 x 96"):
        i2_s_bytes(np.zeros((4, 96), np.int8), GAMMA)
    with pytest.raises(ValueError, match=r"2 scale\(s\)"):
        i2_s_bytes(CODES, np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match=r"codes in \{-1, 0, 1\}"):
        i2_s_bytes(CODES * 2, GAMMA)


def test_damaged_bytes_are_refused() -> None:
    data = np.frombuffer(QUANTIZED, np.uint8)
    with pytest.raises(ValueError, match="95 bytes are no i2_s matrix of 2 x 128"):
        i2_s_codes(data[:-1], 2, 128)
    with pytest.raises(ValueError, match="128 bytes are no i2_s matrix of 4 x 96"):
        i2_s_codes(np.zeros(128, np.uint8), 4, 96)
    damaged = data.copy()
    damaged[40] |= 0b11000000
    with pytest.raises(ValueError, match="code is 3"):
        i2_s_codes(damaged, 2, 128)


def test_llama_file_holds_the_model(written: tuple[TernarySource, Path]) -> None:
    source, path = written
    file = read_i2_s(path)
    assert len(file.tensors) == 1 + 2 * 9 + 2
    assert len(file.ternary_names) == 2 * 7
    assert [tensor.offset % 32 for tensor in file.tensors.values()] == [0] * 21
    assert file.tensors["blk.1.ffn_down.weight"].shape == (128, 256)
    codes, gamma = source.read_layer("model.layers.1.mlp.down_proj")
    stored, scale = file.ternary("blk.1.ffn_down.weight")
    assert np.array_equal(stored, codes.numpy())
    assert scale == gamma.numpy()
    norm = source.read_dense("model.layers.1.input_layernorm.weight").numpy()
    assert np.array_equal(file.dense("blk.1.attn_norm.weight"), norm)
    output = source.read_dense("lm_head.weight").to(torch.float16).numpy()
    assert np.array_equal(file.dense("output.weight"), output)


def test_llama_rows_of_q_and_k_are_interleaved(written: tuple[TernarySource, Path]) -> None:
    source, path = written
    codes, _ = source.read_layer("model.layers.0.self_attn.k_proj")
    stored, _ = read_i2_s(path).ternary("blk.0.attn_k.weight")
    head = [0, 16, 1, 17, 2, 18]  # of 32 rows; the two halves alternate
    assert np.array_equal(stored[:6], codes.numpy()[head])
    assert np.array_equal(stored[32:38], codes.numpy()[[32 + row for row in head]])


def test_llama_metadata(written: tuple[TernarySource, Path]) -> None:
    content = written[1].read_bytes()
    assert content[:4] == b"GGUF"
    for key, value in {"general.file_type": 40, "llama.attention.head_count_kv": 2}.items():
        assert key.encode() + struct.pack("<II", 4, value) in content
    assert b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama" in content
    assert b"tokenizer.ggml.tokens" in content


def test_what_was_written_is_reported(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    report = write_i2_s(ternary_source(llama()), tmp_path / "a.gguf", tokenizer, progress=False)
    (down,) = [tensor for tensor in report if tensor.name == "blk.0.ffn_down.weight"]
    assert (down.type, down.bytes, down.ternary) == ("I2_S", 128 * 256 // 4 + 32, True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]


def test_bitnet_layout(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    source = ternary_source(bitnet())
    write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    check_i2_s_file(source, tmp_path / "a.gguf")
    file = read_i2_s(tmp_path / "a.gguf")
    block = {name.removeprefix("blk.0.") for name in file.tensors if name.startswith("blk.0.")}
    assert sorted(block) == [
        "attn_k.weight", "attn_norm.weight", "attn_output.weight", "attn_q.weight", "attn_sub_norm.weight",
        "attn_v.weight", "ffn_down.weight", "ffn_gate.weight", "ffn_norm.weight", "ffn_sub_norm.weight",
        "ffn_up.weight",
    ]  # fmt: skip
    assert {name for name in file.tensors if "blk" not in name} == {
        "token_embd.weight",
        "output_norm.weight",
    }
    content = (tmp_path / "a.gguf").read_bytes()
    assert b"general.architecture" + struct.pack("<IQ", 8, 12) + b"bitnet-b1.58" in content
    assert b"bitnet-b1.58.attention.layer_norm_rms_epsilon" in content
    codes, _ = source.read_layer("model.layers.0.self_attn.q_proj")
    assert np.array_equal(file.ternary("blk.0.attn_q.weight")[0], codes.numpy())


@pytest.mark.parametrize(
    "make",
    [
        lambda: llama(attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        lambda: llama(head_dim=64),
        lambda: llama(
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 500.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        ),
        lambda: mistral(sliding_window=None),
        lambda: llama().bfloat16(),
    ],
    ids=["biases, tied", "wide heads", "llama3 rope", "mistral", "bfloat16"],
)
def test_variants_hold_the_model(
    make: Callable[[], PreTrainedModel], tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    source = ternary_source(make())
    write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    check_i2_s_file(source, tmp_path / "a.gguf")  # raises at the first difference
    assert len(read_i2_s(tmp_path / "a.gguf").ternary_names) == len(source.layers)


def test_layers_left_dense_are_f16(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    source = ternary_source(llama(), filter_fn=lambda module, name: "down_proj" not in name)
    write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    check_i2_s_file(source, tmp_path / "a.gguf")
    file = read_i2_s(tmp_path / "a.gguf")
    assert file.dense("blk.0.ffn_down.weight").dtype == np.float16
    with pytest.raises(ValueError, match=r"blk\.0\.ffn_down\.weight has type 1 and shape"):
        file.ternary("blk.0.ffn_down.weight")


REFUSED: dict[str, tuple[Callable[[], TernarySource], str]] = {
    "another architecture": (
        lambda: ternary_source(Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=32))),
        "llama, mistral, bitnet.*'qwen3' .Qwen3ForCausalLM.*gguf.*transformers",
    ),
    "biases of another architecture": (
        lambda: ternary_source(Qwen2ForCausalLM(Qwen2Config(**SIZES))),
        "'qwen2'.*gguf.*transformers",
    ),
    "a width that is no multiple of 128": (
        lambda: ternary_source(llama(intermediate_size=320)),
        r"model\.layers\.0\.mlp\.down_proj is 128 x 320.*128 values.*gguf.*transformers",
    ),
    "the same in bitnet, which llama.cpp does not compute": (
        lambda: ternary_source(bitnet(intermediate_size=320)),
        r"down_proj is 128 x 320.*export it with format=\"transformers\"\.$",
    ),
    "one scale per row": (
        lambda: ternary_source(llama(), granularity="row"),
        r"q_proj has one scale per row \(granularity='row'\).*gguf.*dense",
    ),
    "activations in full precision": (
        lambda: ternary_source(llama(), activation_bits=None),
        r"q_proj leaves its activations in full precision \(activation_bits=None\).*dense",
    ),
    "GELU in llama": (
        lambda: ternary_source(llama(hidden_act="gelu")),
        "bitnet.cpp's architecture 'llama'.*hidden_act is 'gelu'.*silu.*transformers",
    ),
    "SiLU in bitnet": (
        lambda: ternary_source(bitnet(hidden_act="silu")),
        "bitnet.cpp's architecture 'bitnet-b1.58'.*hidden_act is 'silu'.*relu2.*gguf",
    ),
    "an output matrix in bitnet": (
        lambda: ternary_source(bitnet(tie_word_embeddings=False)),
        "tie_word_embeddings is False.*transformers",
    ),
    "biases in bitnet": (
        lambda: ternary_source(bitnet(attention_bias=True)),
        r"self_attn\.q_proj\.bias is 'a bias of the model'.*transformers",
    ),
    "scaled rotary embeddings in bitnet": (
        lambda: ternary_source(
            bitnet(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0})
        ),
        "rope_type.* is 'linear'.*default only.*transformers",
    ),
    "longrope in llama": (
        lambda: ternary_source(
            llama(
                rope_parameters={
                    "rope_type": "longrope",
                    "rope_theta": 1e4,
                    "original_max_position_embeddings": 64,
                    "short_factor": [1.0] * 16,
                    "long_factor": [2.0] * 16,
                }
            )
        ),
        "rope_type.* is 'longrope'.*transformers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_bitnet_cpp_would_compute_differently_is_refused(
    name: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    make, message = REFUSED[name]
    source = make()
    with pytest.raises(ValueError, match=message):
        check_i2_s(source, tokenizer)
    with pytest.raises(ValueError, match=message):
        write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_with_more_tokens_than_rows_is_refused(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    source = ternary_source(llama(vocab_size=200))
    with pytest.raises(ValueError, match="200 rows"):
        check_i2_s(source, tokenizer)


def test_check_passes_a_model_that_can_be_written(tokenizer: PreTrainedTokenizerFast) -> None:
    source = ternary_source(llama())
    assert check_i2_s(source, tokenizer) is None


def test_gguf_missing(monkeypatch: pytest.MonkeyPatch, tokenizer: PreTrainedTokenizerFast) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    source = ternary_source(llama())
    with pytest.raises(ImportError, match=r"pip install \"bitsft\[gguf\]\""):
        check_i2_s(source, tokenizer)


def test_a_window_shortens_the_context(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    source = ternary_source(mistral(sliding_window=64))
    with pytest.warns(UserWarning, match=r"bitnet\.cpp computes mistral without a sliding window"):
        write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    content = (tmp_path / "a.gguf").read_bytes()
    assert b"llama.context_length" + struct.pack("<II", 4, 64) in content


def test_splitting_rules_of_newer_builds_are_named(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, caplog: pytest.LogCaptureFixture
) -> None:
    source = ternary_source(llama())
    with caplog.at_level("WARNING"):
        write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    assert "splitting rule" not in caplog.text
    with caplog.at_level("WARNING"):
        write_i2_s(source, tmp_path / "b.gguf", tokenizer, pre_tokenizer="gpt-4o", progress=False)
    assert "splitting rule is 'gpt-4o'" in caplog.text


def test_a_failed_export_leaves_the_old_file(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    source = ternary_source(llama())
    layer = source.layers["model.layers.1.mlp.down_proj"]
    assert isinstance(layer, BitLinear158)
    with torch.no_grad():
        layer.weight[0, 0] = float("nan")
    (tmp_path / "a.gguf").write_bytes(b"older")
    with pytest.raises(ValueError, match=r"model\.layers\.1\.mlp\.down_proj.*NaN"):
        write_i2_s(source, tmp_path / "a.gguf", tokenizer, progress=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.gguf": b"older"}


def test_reader_agrees_with_the_gguf_package(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = tmp_path / "a.gguf"
    write_gguf(ternary_source(llama()), path, tokenizer, gguf_type="F32", progress=False)
    ours, theirs = read_i2_s(path), gguf.GGUFReader(path).tensors
    assert list(ours.tensors) == [tensor.name for tensor in theirs]
    for tensor in theirs:
        assert ours.tensors[tensor.name].offset == tensor.data_offset
        assert np.array_equal(ours.dense(tensor.name), tensor.data)
    assert ours.ternary_names == []


def test_damaged_files_are_refused(written: tuple[TernarySource, Path], tmp_path: Path) -> None:
    content = written[1].read_bytes()
    damaged = tmp_path / "a.gguf"
    with pytest.raises(FileNotFoundError):
        read_i2_s(damaged)
    damaged.write_bytes(b"PK\3\4" + content[4:])
    with pytest.raises(ValueError, match=r"a\.gguf: starts with b'PK.*no GGUF file"):
        read_i2_s(damaged)
    damaged.write_bytes(content[:3000])
    with pytest.raises(ValueError, match=r"a\.gguf: the file ends within its header"):
        read_i2_s(damaged)
    for place, value in ((8 + 8 + 8, 1 << 60), (content.index(b"token_embd") + 17, 1 << 30)):
        header = bytearray(content)
        struct.pack_into("<Q", header, place, value)
        damaged.write_bytes(header)
        with pytest.raises(ValueError, match=r"a\.gguf: the file ends within its header, or"):
            read_i2_s(damaged)
    damaged.write_bytes(content[:-200])
    with pytest.raises(ValueError, match=r"a\.gguf: output\.weight has 78848 bytes.* 78648 of"):
        read_i2_s(damaged).dense("output.weight")
    name = "blk.0.attn_v.weight"
    offset = read_i2_s(written[1]).tensors[name].offset
    damaged.write_bytes(content[:offset] + b"\xff" + content[offset + 1 :])
    with pytest.raises(ValueError, match=r"a\.gguf: blk\.0\.attn_v\.weight: a 2-bit code is 3"):
        read_i2_s(damaged).ternary(name)
    with pytest.raises(ValueError, match=r"attn_v\.weight has type 36; F32, F16 and BF16"):
        read_i2_s(damaged).dense(name)
    with pytest.raises(KeyError):
        read_i2_s(damaged).ternary("blk.9.attn_v.weight")


@pytest.mark.parametrize(
    ("name", "place", "what"),
    [
        ("blk.0.attn_q.weight", 0, "values of blk.0.attn_q.weight differ"),
        ("blk.1.ffn_up.weight", 128 * 256 // 4, r"blk.1.ffn_up.weight \(γ\) differ"),
        ("blk.1.ffn_norm.weight", 8, "1 of 128 values of blk.1.ffn_norm.weight differ"),
        ("token_embd.weight", 50, "1 of 39424 values of token_embd.weight differ"),
    ],
)
def test_comparison_finds_one_changed_byte(
    name: str, place: int, what: str, written: tuple[TernarySource, Path], tmp_path: Path
) -> None:
    source, path = written
    check_i2_s_file(source, path)
    content = bytearray(path.read_bytes())
    at = read_i2_s(path).tensors[name].offset + place
    # another code: 00 and 01 swap, 10 becomes 01
    content[at] ^= 0b11 if content[at] & 0b10 else 0b01
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises(ValueError, match=what):
        check_i2_s_file(source, tmp_path / "a.gguf")


def test_comparison_with_another_model(written: tuple[TernarySource, Path]) -> None:
    with pytest.raises(ValueError, match=r"blk\.2\.attn_k\.weight is missing"):
        check_i2_s_file(ternary_source(llama(num_hidden_layers=3)), written[1])
    with pytest.raises(ValueError, match=r"output\.weight is no tensor of the model"):
        check_i2_s_file(ternary_source(llama(tie_word_embeddings=True)), written[1])
    with pytest.raises(ValueError, match=r"shape \(308, 128\), the model's has \(320, 128\)"):
        check_i2_s_file(ternary_source(llama(vocab_size=320)), written[1])


def test_comparison_with_a_model_that_is_ternary_elsewhere(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    def without_k(module: torch.nn.Module, name: str) -> bool:
        return "k_proj" not in name

    ternary, partly = ternary_source(llama()), ternary_source(llama(), filter_fn=without_k)
    partly.model.load_state_dict(ternary.model.state_dict())
    write_i2_s(ternary, tmp_path / "a.gguf", tokenizer, progress=False)
    with pytest.raises(ValueError, match=r"attn_k\.weight has type 36; F32, F16 and BF16"):
        check_i2_s_file(partly, tmp_path / "a.gguf")
    write_i2_s(partly, tmp_path / "a.gguf", tokenizer, progress=False)
    with pytest.raises(ValueError, match=r"attn_k\.weight has type 1 .*no i2_s matrix"):
        check_i2_s_file(ternary, tmp_path / "a.gguf")
