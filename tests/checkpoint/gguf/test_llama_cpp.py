"""llama.cpp itself, through llama-cpp-python: every architecture and every type, logits against the model.

Two comparisons. *Sharp*: with F16 matrices llama.cpp quantizes no activations, so it must agree with the model without
activation quantization up to fp16 roundings (of embeddings, γ, the key-value cache, activations): measured 5e-4 to
2e-3 of the logits' standard deviation; a wrong norm, name, rope or permutation gives 5e-2 and more. *Packed*: here
llama.cpp quantizes activations to int8 by blocks of 256 (or 32) values, the model by token; a rounding flip of one
activation moves logits as much as quantizing them at all does, so that difference, between the model with and without
it, is the noise floor.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from bitsft.checkpoint.gguf.blocks import TERNARY_TYPES
from bitsft.checkpoint.gguf.writer import write_gguf
from bitsft.checkpoint.source import source_from_model
from bitsft.ternary import ternary_layers
from tests.checkpoint.gguf.models import LONG, MODELS, phi3, ternary, ternary_model

llama_cpp = pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.filterwarnings("ignore:llama.cpp computes:UserWarning", "ignore:longrope")

TOKENS = 160
SHARP = 2.5e-3
FLOORS = 1.75


def token_ids(count: int = TOKENS) -> list[int]:
    return torch.randint(3, 290, (count,), generator=torch.Generator().manual_seed(0)).tolist()


def model_logits(
    model: PreTrainedModel, ids: list[int], *, activation_bits: int | None = 8
) -> torch.Tensor:
    layers = ternary_layers(model).values()
    for layer in layers:
        layer.activation_bits = activation_bits
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    for layer in layers:
        layer.activation_bits = 8
    return logits.double()


def llama_cpp_logits(path: Path, ids: list[int], context: int = 256) -> torch.Tensor:
    runtime = llama_cpp.Llama(
        str(path), n_ctx=context, logits_all=True, n_threads=1, n_threads_batch=1, verbose=False
    )
    runtime.eval(ids)
    logits = np.array(runtime.scores[: len(ids)])
    runtime.close()
    return torch.from_numpy(logits).double()


def mean_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """In standard deviations of the logits."""
    return float((a - b).abs().mean() / a.std())


def kl(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a.log_softmax(-1), b.log_softmax(-1)
    return float((a.exp() * (a - b)).sum(-1).mean())


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_is_the_same_model(
    name: str, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = ternary_model(name)
    ids = token_ids()
    source = source_from_model(model)
    full = model_logits(model, ids, activation_bits=None)
    write_gguf(source, tmp_path / "f16.gguf", tiny_tokenizer, gguf_type="F16", progress=False)
    assert mean_difference(full, llama_cpp_logits(tmp_path / "f16.gguf", ids)) < SHARP

    quantized = model_logits(model, ids)
    write_gguf(source, tmp_path / "tq2_0.gguf", tiny_tokenizer, progress=False)
    packed = llama_cpp_logits(tmp_path / "tq2_0.gguf", ids)
    assert mean_difference(quantized, packed) < FLOORS * mean_difference(quantized, full)
    assert kl(quantized, packed) < FLOORS**2 * kl(quantized, full)


@pytest.mark.parametrize("kind", TERNARY_TYPES)
def test_every_type_is_the_same_model(
    kind: str, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = ternary_model("llama")
    ids = token_ids()
    path = tmp_path / "model.gguf"
    written = write_gguf(
        source_from_model(model), path, tiny_tokenizer, gguf_type=kind, progress=False
    )
    assert {tensor.type for tensor in written if tensor.ternary} == {kind}
    full = model_logits(model, ids, activation_bits=None)
    found = llama_cpp_logits(path, ids)
    if kind in ("F16", "F32"):
        assert mean_difference(full, found) < SHARP
    else:
        quantized = model_logits(model, ids)
        floor = mean_difference(quantized, full)
        assert mean_difference(quantized, found) < FLOORS * floor
        assert mean_difference(full, found) < FLOORS * floor
        assert (quantized.argmax(-1) == found.argmax(-1)).double().mean() > 0.9


def test_a_scale_per_row_is_the_same_model(
    tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = ternary_model("llama", granularity="row")
    ids = token_ids()
    source = source_from_model(model)
    write_gguf(source, tmp_path / "f16.gguf", tiny_tokenizer, gguf_type="F16", progress=False)
    write_gguf(source, tmp_path / "tq2_0.gguf", tiny_tokenizer, progress=False)
    full = model_logits(model, ids, activation_bits=None)
    assert mean_difference(full, llama_cpp_logits(tmp_path / "f16.gguf", ids)) < SHARP
    quantized, packed = model_logits(model, ids), llama_cpp_logits(tmp_path / "tq2_0.gguf", ids)
    assert mean_difference(quantized, packed) < FLOORS * mean_difference(quantized, full)


def test_longrope_on_the_long_side(tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    model = ternary(phi3(**LONG))
    ids = token_ids(300)  # longer than the original context of 256, as is llama.cpp's context
    path = tmp_path / "model.gguf"
    with pytest.warns(
        UserWarning, match="longrope: llama.cpp uses the short factors while its context"
    ):
        write_gguf(source_from_model(model), path, tiny_tokenizer, gguf_type="F16", progress=False)
    full = model_logits(model, ids, activation_bits=None)
    assert mean_difference(full, llama_cpp_logits(path, ids, context=512)) < SHARP


def test_the_comparison_sees_a_wrong_model(
    tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """One norm weight of 256 changed by a tenth is no rounding."""
    model = ternary_model("llama")
    write_gguf(
        source_from_model(model),
        tmp_path / "f16.gguf",
        tiny_tokenizer,
        gguf_type="F16",
        progress=False,
    )
    with torch.no_grad():
        model.model.norm.weight[:26] *= 1.1
    ids = token_ids()
    full = model_logits(model, ids, activation_bits=None)
    assert mean_difference(full, llama_cpp_logits(tmp_path / "f16.gguf", ids)) > 5 * SHARP
