"""What is in the file, read back with the `gguf` package; types, fallbacks, failures."""

import dataclasses
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from bitsft.checkpoint.gguf import blocks, writer
from bitsft.checkpoint.gguf.architectures import architecture_of, interleave_rows
from bitsft.checkpoint.gguf.blocks import TensorType
from bitsft.checkpoint.gguf.container import EncodedTensor, WrittenTensor
from bitsft.checkpoint.gguf.writer import check_gguf, write_gguf, write_tensors
from bitsft.checkpoint.source import TernarySource, source_from_model
from bitsft.ternary import ternary_layers
from tests.checkpoint.gguf.models import bitnet, gemma3, llama, mistral, ternary

SMALL = {"hidden_size": 64, "intermediate_size": 96}


def export(
    model: PreTrainedModel, path: Path, tokenizer: PreTrainedTokenizerFast, kind: str = "TQ2_0"
) -> tuple[dict[str, WrittenTensor], dict[str, np.ndarray], gguf.GGUFReader]:
    written = write_gguf(source_from_model(model), path, tokenizer, gguf_type=kind, progress=False)
    reader = gguf.GGUFReader(path)
    assert [tensor.name for tensor in reader.tensors] == [tensor.name for tensor in written]
    values = {}
    for stored, tensor in zip(reader.tensors, written, strict=True):
        assert stored.tensor_type.name == tensor.type
        assert stored.n_bytes == tensor.bytes
        assert tuple(reversed(stored.shape.tolist())) == tensor.shape
        assert stored.data_offset % 32 == 0
        values[stored.name] = gguf.quants.dequantize(stored.data, stored.tensor_type)
    return {tensor.name: tensor for tensor in written}, values, reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def test_every_value_of_a_llama(tiny_tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    model = ternary(llama(attention_bias=True))
    written, values, _ = export(model, path, tiny_tokenizer)
    state = model.state_dict()
    layers = ternary_layers(model)
    for entry in architecture_of(source_from_model(model)).tensors:
        layer = layers.get(entry.source.removesuffix(".weight"))
        if layer is not None and entry.source.endswith(".weight"):
            codes, scale = layer.ternary()
            expected, kind = (codes * scale.half().float()).numpy(), "TQ2_0"
        elif state[entry.source].dim() == 1:
            expected, kind = state[entry.source].numpy(), "F32"
        else:
            expected, kind = state[entry.source].half().numpy(), "F16"
        if entry.heads:
            expected = interleave_rows(expected, entry.heads)
        np.testing.assert_array_equal(values[entry.name], expected, err_msg=entry.name)
        assert written[entry.name].type == kind
        assert written[entry.name].ternary == (kind == "TQ2_0")
        assert written[entry.name].source == entry.source


def test_a_scale_per_row_follows_its_row(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    model = ternary(llama(), granularity="row")
    _, values, _ = export(model, path, tiny_tokenizer)
    codes, scale = ternary_layers(model)["model.layers.1.self_attn.q_proj"].ternary()
    expected = interleave_rows((codes * scale.half().float()).numpy(), 4)
    np.testing.assert_array_equal(values["blk.1.attn_q.weight"], expected)


def test_gemma_norms(tiny_tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    model = ternary(gemma3())
    _, values, _ = export(model, path, tiny_tokenizer)
    np.testing.assert_array_equal(
        values["output_norm.weight"], model.model.norm.weight.detach().numpy() + np.float32(1)
    )


def test_metadata(tiny_tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    model = ternary(llama())
    model.config.name_or_path = "/models/My Model"
    _, _, reader = export(model, path, tiny_tokenizer, "Q2_K")
    values = {name: reader.fields[name].contents() for name in reader.fields}
    expected = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "My Model",
        "general.file_type": int(gguf.LlamaFileType.MOSTLY_Q2_K),
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
        "llama.block_count": 2,
        "llama.vocab_size": 408,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.bos_token_id": tiny_tokenizer.bos_token_id,
        "tokenizer.ggml.eos_token_id": tiny_tokenizer.eos_token_id,
        "tokenizer.ggml.padding_token_id": tiny_tokenizer.pad_token_id,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": tiny_tokenizer.chat_template,
    }
    assert values.items() >= expected.items()
    assert len(values["tokenizer.ggml.tokens"]) == 408
    assert values["tokenizer.ggml.tokens"][:3] == ["<pad>", "<s>", "</s>"]
    assert len(values["tokenizer.ggml.merges"]) > 50
    assert reader.fields["llama.block_count"].types == [gguf.GGUFValueType.UINT32]
    assert reader.fields["llama.rope.freq_base"].types == [gguf.GGUFValueType.FLOAT32]


def test_size_on_disk_is_what_is_reported(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    written, _, reader = export(ternary(llama()), path, tiny_tokenizer)
    assert path.stat().st_size == reader.data_offset + sum(
        -(-tensor.bytes // 32) * 32 for tensor in written.values()
    )
    ternary_bytes = sum(tensor.bytes for tensor in written.values() if tensor.ternary)
    weights = sum(np.prod(tensor.shape) for tensor in written.values() if tensor.ternary)
    assert 8 * ternary_bytes / weights == 2.0625


def test_widths_that_a_type_cannot_hold_fall_back(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    model = ternary(llama(hidden_size=64, intermediate_size=200))
    written, values, _ = export(model, path, tiny_tokenizer)
    assert written["blk.0.attn_q.weight"].type == "Q4_0"  # 64 columns
    assert written["blk.0.ffn_down.weight"].type == "F16"  # 200 columns
    codes, scale = ternary_layers(model)["model.layers.0.mlp.down_proj"].ternary()
    np.testing.assert_array_equal(
        values["blk.0.ffn_down.weight"], (codes * scale.half().float()).numpy()
    )


def test_a_tiny_scale_falls_back_to_f32_and_the_rest_stays(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    model = ternary(llama())
    layer = ternary_layers(model)["model.layers.0.mlp.up_proj"]
    with torch.no_grad():
        layer.weight.mul_(2e-5 / layer.ternary()[1])
    written, values, _ = export(model, path, tiny_tokenizer)
    kinds = {name: tensor.type for name, tensor in written.items() if tensor.ternary}
    assert kinds.pop("blk.0.ffn_up.weight") == "F32"
    assert set(kinds.values()) == {"TQ2_0"}
    codes, scale = layer.ternary()
    np.testing.assert_array_equal(values["blk.0.ffn_up.weight"], (codes * scale).numpy())


@pytest.mark.parametrize(("dtype", "kind"), [(torch.bfloat16, "BF16"), (torch.float32, "F32")])
def test_embeddings_beyond_fp16(
    dtype: torch.dtype, kind: str, tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    model = ternary(llama(**SMALL))
    with torch.no_grad():
        model.model.embed_tokens.weight[7, 3] = -70000.0
    model.model.embed_tokens.to(dtype)
    written, values, _ = export(model, path, tiny_tokenizer)
    assert written["token_embd.weight"].type == kind
    assert written["output.weight"].type == "F16"
    np.testing.assert_array_equal(
        values["token_embd.weight"], model.model.embed_tokens.weight.detach().float().numpy()
    )


def test_layers_that_stayed_dense_are_f16(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    model = ternary(llama(**SMALL), filter_fn=lambda _, name: "q_proj" not in name)
    written, values, _ = export(model, path, tiny_tokenizer)
    assert (written["blk.0.attn_q.weight"].type, written["blk.0.attn_q.weight"].ternary) == (
        "F16",
        False,
    )
    weight = model.model.layers[0].self_attn.q_proj.weight.detach().half().numpy()
    np.testing.assert_array_equal(values["blk.0.attn_q.weight"], interleave_rows(weight, 4))


def test_in_chunks(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ternary(llama())
    write_gguf(source_from_model(model), path, tiny_tokenizer, progress=False)
    whole = path.read_bytes()
    monkeypatch.setattr(blocks, "CHUNK_ELEMENTS", 1000)
    monkeypatch.setattr(writer, "CHUNK_ELEMENTS", 1000)
    write_gguf(source_from_model(model), path, tiny_tokenizer, progress=False)
    assert path.read_bytes() == whole


def test_each_tensor_is_read_once_and_one_at_a_time(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    source = source_from_model(ternary(llama(**SMALL)))
    read: list[str] = []

    def counted(function: Any) -> Any:
        def call(name: str) -> Any:
            read.append(name)
            return function(name)

        return call

    counting = dataclasses.replace(
        source, read_layer=counted(source.read_layer), read_dense=counted(source.read_dense)
    )
    check_gguf(counting, tiny_tokenizer)
    assert read == []
    write_gguf(counting, path, tiny_tokenizer, progress=False)
    assert sorted(read) == sorted([*source.layers, *source.dense_names])


def test_progress_bar_is_shown_on_demand(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_from_model(ternary(llama(**SMALL)))
    write_gguf(source, path, tiny_tokenizer, progress=False)
    assert capsys.readouterr().err == ""
    write_gguf(source, path, tiny_tokenizer)
    assert "Writing model.gguf: 100%" in capsys.readouterr().err


def test_warnings_of_the_architecture_are_given(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    source = source_from_model(ternary(mistral(**SMALL, sliding_window=128)))
    with pytest.warns(UserWarning, match="context length is the window, 128 of 512"):
        write_gguf(source, path, tiny_tokenizer, progress=False)


def test_nothing_is_written_for_a_model_that_is_refused(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    source = source_from_model(ternary(bitnet(**SMALL, hidden_act="relu2")))
    for refuse in (check_gguf, lambda *given: write_gguf(given[0], path, given[1])):
        with pytest.raises(ValueError, match="hidden_act is 'relu2'"):
            refuse(source, tiny_tokenizer)
    assert list(path.parent.iterdir()) == []


def test_unknown_type_and_short_vocabulary_are_refused(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    source = source_from_model(ternary(llama(**SMALL)))
    with pytest.raises(ValueError, match="gguf_type is 'Q4_K_M'"):
        check_gguf(source, tiny_tokenizer, "Q4_K_M")
    with pytest.raises(ValueError, match="gguf_type is 'TQ3'"):
        write_gguf(source, path, tiny_tokenizer, gguf_type="TQ3")
    small = source_from_model(ternary(llama(**SMALL, vocab_size=300)))
    with pytest.raises(ValueError, match="400 tokens and the embedding 300 rows"):
        check_gguf(small, tiny_tokenizer)
    assert list(path.parent.iterdir()) == []


def test_the_outline_is_enough_for_a_check(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    outline = source_from_model(ternary(llama(**SMALL))).outline
    assert outline is not None
    check_gguf(outline, tiny_tokenizer)
    refused = source_from_model(ternary(llama(**SMALL, hidden_act="relu"))).outline
    assert refused is not None
    with pytest.raises(ValueError, match="hidden_act is 'relu'"):
        check_gguf(refused, tiny_tokenizer)


@pytest.mark.parametrize("broken", ["model.embed_tokens.weight", "model.norm.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite_leave_the_older_file(
    broken: str, value: float, tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    path.write_bytes(b"older")
    model = ternary(llama(**SMALL))
    with torch.no_grad():
        model.get_parameter(broken).flatten()[5] = value
    with pytest.raises(ValueError, match=f"{broken} holds NaN or infinite values"):
        write_gguf(source_from_model(model), path, tiny_tokenizer, progress=False)
    assert path.read_bytes() == b"older"
    assert list(path.parent.iterdir()) == [path]


def test_a_ternary_weight_that_is_not_finite_leaves_nothing(
    tiny_tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    model = ternary(llama(**SMALL))
    with torch.no_grad():
        ternary_layers(model)["model.layers.1.mlp.down_proj"].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="model.layers.1.mlp.down_proj: the weight holds NaN"):
        write_gguf(source_from_model(model), path, tiny_tokenizer, progress=False)
    assert list(path.parent.iterdir()) == []


def test_the_missing_package_is_named(
    tiny_tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match=r'pip install "bitsft\[gguf\]"'):
        check_gguf(source_from_model(ternary(llama(**SMALL))), tiny_tokenizer)


def test_an_encoding_of_ones_own(path: Path) -> None:
    """What i2_s does: another architecture's name, a type that the `gguf` package does not know, a tail."""
    source: TernarySource = source_from_model(ternary(llama(**SMALL)))
    architecture = dataclasses.replace(architecture_of(source), name="own")
    kind = TensorType("OWN", 36, 1, 1, 40)

    def encode(codes: np.ndarray, scale: np.ndarray) -> EncodedTensor:
        tail = np.zeros(8, np.float32)
        tail[0] = scale
        return EncodedTensor(kind, iter([codes[:1], codes[1:], tail]))

    written = write_tensors(
        source, path, architecture, {"general.file_type": 40}, encode, progress=False
    )
    entry = next(tensor for tensor in written if tensor.name == "blk.0.ffn_up.weight")
    assert (entry.type, entry.shape, entry.bytes) == ("OWN", (96, 64), 96 * 64 + 32)
    codes, scale = source.read_layer("model.layers.0.mlp.up_proj")
    data = path.read_bytes()
    assert data.count(codes.numpy().tobytes() + struct.pack("<f", float(scale))) == 1
    assert b"own.block_count" in data
