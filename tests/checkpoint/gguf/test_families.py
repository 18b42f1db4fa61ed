"""Keys and names of a model in llama.cpp's terms."""

from dataclasses import replace
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from bitsft.checkpoint.gguf.architectures import (
    Architecture,
    TensorEntry,
    architecture_of,
    interleave_rows,
)
from bitsft.checkpoint.gguf.families import FAMILIES
from bitsft.checkpoint.source import source_from_model
from tests.checkpoint.gguf.models import (
    LINEAR,
    LLAMA3,
    LONG,
    LONGROPE,
    MODELS,
    YARN,
    bitnet,
    exaone4,
    gemma3,
    llama,
    mistral,
    olmo,
    olmo2,
    phi3,
    qwen2,
    qwen3,
    smollm3,
    ternary,
    ternary_model,
)


def described(model: PreTrainedModel) -> Architecture:
    return architecture_of(source_from_model(ternary(model)))


def test_a_llama() -> None:
    found = described(llama(rope_theta=500000.0))
    assert found.name == "llama"
    assert found.keys == {
        "context_length": 512,
        "embedding_length": 256,
        "block_count": 2,
        "feed_forward_length": 512,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.key_length": 64,
        "attention.value_length": 64,
        "vocab_size": 408,
        "rope.freq_base": 500000.0,
        "rope.dimension_count": 64,
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    assert found.constants == {}
    assert found.warnings == []
    block = [entry for entry in found.tensors if entry.name.startswith("blk.1.")]
    prefix = "model.layers.1."
    assert sorted(block, key=lambda entry: entry.name) == [
        TensorEntry("blk.1.attn_k.weight", prefix + "self_attn.k_proj.weight", heads=2),
        TensorEntry("blk.1.attn_norm.weight", prefix + "input_layernorm.weight"),
        TensorEntry("blk.1.attn_output.weight", prefix + "self_attn.o_proj.weight"),
        TensorEntry("blk.1.attn_q.weight", prefix + "self_attn.q_proj.weight", heads=4),
        TensorEntry("blk.1.attn_v.weight", prefix + "self_attn.v_proj.weight"),
        TensorEntry("blk.1.ffn_down.weight", prefix + "mlp.down_proj.weight"),
        TensorEntry("blk.1.ffn_gate.weight", prefix + "mlp.gate_proj.weight"),
        TensorEntry("blk.1.ffn_norm.weight", prefix + "post_attention_layernorm.weight"),
        TensorEntry("blk.1.ffn_up.weight", prefix + "mlp.up_proj.weight"),
    ]
    assert found.tensors[0] == TensorEntry("token_embd.weight", "model.embed_tokens.weight")
    assert {entry.name for entry in found.tensors[-2:]} == {"output_norm.weight", "output.weight"}


@pytest.mark.filterwarnings("ignore:llama.cpp computes:UserWarning")
@pytest.mark.parametrize("name", MODELS)
def test_names_are_those_of_the_gguf_package(name: str) -> None:
    found = architecture_of(source_from_model(ternary_model(name)))
    numbers = {text: number for number, text in gguf.MODEL_ARCH_NAMES.items()}
    known = gguf.get_tensor_name_map(numbers[found.name], found.keys["block_count"])
    missing_there = ("ffn_sub_norm", "attn_sub_norm")
    for entry in found.tensors:
        expected = known.get_name(entry.source, try_suffixes=(".weight", ".bias"))
        if expected is None:
            assert entry.name.split(".")[2] in missing_there
        else:
            assert entry.name == expected or entry.name == "output.weight"
    assert len({entry.name for entry in found.tensors}) == len(found.tensors)


def test_gemma_norms_are_shifted_and_nothing_else() -> None:
    found = described(gemma3())
    assert {entry.shift for entry in found.tensors if "norm" in entry.name} == {1.0}
    assert {entry.shift for entry in found.tensors if "norm" not in entry.name} == {0.0}


def test_biases_of_q_and_k_follow_their_weights() -> None:
    found = described(llama(attention_bias=True))
    heads = {entry.name: entry.heads for entry in found.tensors if "blk.0.attn" in entry.name}
    assert heads["blk.0.attn_q.bias"] == 4
    assert heads["blk.0.attn_k.bias"] == 2
    assert heads["blk.0.attn_v.bias"] == 0
    assert heads["blk.0.attn_output.bias"] == 0


def test_interleaved_rows() -> None:
    rows = np.arange(16).reshape(8, 2)
    assert interleave_rows(rows, 2)[:, 0].tolist() == [0, 4, 2, 6, 8, 12, 10, 14]
    assert interleave_rows(np.arange(8), 1).tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_llama3_divisors_are_those_of_transformers() -> None:
    model = ternary(llama(rope_parameters=LLAMA3))
    divisors = architecture_of(source_from_model(model)).constants["rope_freqs.weight"]
    plain = 1 / 500.0 ** (torch.arange(0, 64, 2).double() / 64)
    np.testing.assert_allclose(
        plain.numpy() / divisors, model.model.rotary_emb.inv_freq.numpy(), rtol=1e-6
    )
    assert divisors[0] == 1.0
    assert divisors[-1] == 8.0
    assert len(set(divisors[1:-1].tolist()) - {1.0, 8.0}) > 3  # some lie between


def test_rope_scaling_keys() -> None:
    assert (
        described(llama(rope_parameters=LINEAR)).keys.items()
        >= {
            "rope.freq_base": 20000.0,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 4.0,
        }.items()
    )
    yarn = described(qwen3(rope_parameters={**YARN, "beta_fast": 32, "beta_slow": 1})).keys
    assert (
        yarn.items()
        >= {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": 64,
        }.items()
    )
    assert "rope.scaling.attn_factor" not in yarn
    usual = 0.1 * np.log(4.0) + 1
    yarn = described(qwen3(rope_parameters={**YARN, "attention_factor": 1.3})).keys
    assert yarn["rope.scaling.attn_factor"] == pytest.approx(1.3 / usual)
    scales = {"mscale": 0.7, "mscale_all_dim": 1.4}
    yarn = described(qwen3(rope_parameters={**YARN, **scales})).keys
    wanted = (0.07 * np.log(4.0) + 1) / (0.14 * np.log(4.0) + 1)
    assert yarn["rope.scaling.attn_factor"] == pytest.approx(wanted / usual)


def test_a_yarn_factor_that_is_left_out() -> None:
    stretched = described(qwen3(rope_parameters={**YARN, "factor": None})).keys
    assert stretched["rope.scaling.factor"] == 512 / 64


def test_longrope_keys() -> None:
    found = described(phi3(**LONG))
    assert (
        found.keys.items()
        >= {
            "rope.scaling.type": "longrope",
            "rope.scaling.original_context_length": 256,
            "rope.dimension_count": 32,
        }.items()
    )
    assert found.keys["rope.scaling.attn_factor"] == pytest.approx(
        np.sqrt(1 + np.log(2.0) / np.log(256.0))
    )
    assert found.constants["rope_factors_long.weight"].tolist() == LONGROPE["long_factor"]
    assert "at most 256 tokens" in found.warnings[0]
    same = {**LONGROPE, "short_factor": LONGROPE["long_factor"]}
    assert described(phi3(**{**LONG, "rope_parameters": same})).warnings == []


@pytest.mark.parametrize(
    ("model", "context"),
    [
        (lambda: mistral(sliding_window=128), 128),
        (lambda: mistral(sliding_window=512), 512),
        (lambda: mistral(sliding_window=None), 512),
        (lambda: phi3(sliding_window=100), 100),
        (lambda: qwen2(use_sliding_window=True, sliding_window=64, max_window_layers=1), 64),
        (lambda: qwen2(use_sliding_window=True, sliding_window=64, max_window_layers=2), 512),
        (lambda: qwen2(use_sliding_window=False, sliding_window=64), 512),
        (lambda: qwen3(use_sliding_window=True, sliding_window=64, max_window_layers=0), 64),
        (lambda: smollm3(use_sliding_window=True, sliding_window=64), 64),
        (lambda: exaone4(sliding_window=64), 64),
    ],
)
def test_a_window_that_llama_cpp_has_not_cuts_the_context(model: Any, context: int) -> None:
    found = described(model())
    assert found.keys["context_length"] == context
    if context == 512:
        assert found.warnings == []
    else:
        assert (
            f"the file's context length is the window, {context} of 512 tokens" in found.warnings[0]
        )


def test_a_window_that_llama_cpp_has_is_kept() -> None:
    found = described(gemma3(num_hidden_layers=6))
    assert found.keys["attention.sliding_window"] == 32
    assert found.keys["context_length"] == 512
    assert found.warnings == []
    hybrid = described(
        exaone4(num_hidden_layers=64, hidden_size=32, intermediate_size=32, sliding_window=16)
    )
    assert hybrid.keys["attention.sliding_window"] == 16
    assert hybrid.keys["context_length"] == 512


def test_olmo2_gets_an_output_matrix_where_it_is_tied() -> None:
    tied = described(olmo2(tie_word_embeddings=True)).tensors
    assert TensorEntry("output.weight", "model.embed_tokens.weight") in tied
    assert TensorEntry("output.weight", "lm_head.weight") in described(olmo2()).tensors
    names = [entry.name for entry in described(llama(tie_word_embeddings=True)).tensors]
    assert "output.weight" not in names


def test_olmo_norms_have_no_weights_and_a_fixed_epsilon() -> None:
    found = described(olmo(clip_qkv=7.0))
    assert not [entry.name for entry in found.tensors if "norm" in entry.name]
    assert found.keys["attention.layer_norm_epsilon"] == 1e-5
    assert found.keys["attention.clamp_kqv"] == 7.0
    assert "attention.layer_norm_rms_epsilon" not in found.keys
    assert "attention.clamp_kqv" not in described(olmo()).keys


def test_a_reader_of_ones_own() -> None:
    family = replace(
        FAMILIES["bitnet"], name="bitnet-b1.58", activations=("relu2",), reader="bitnet.cpp"
    )
    source = source_from_model(ternary(bitnet(hidden_act="relu2")))
    assert architecture_of(source, family).name == "bitnet-b1.58"
    with pytest.raises(ValueError, match="bitnet.cpp's architecture 'bitnet-b1.58' cannot hold"):
        architecture_of(source_from_model(ternary(bitnet())), family)
