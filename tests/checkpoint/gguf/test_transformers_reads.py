"""transformers' own GGUF reader gives back the model, exactly as it was rounded: γ and embeddings to fp16."""

import importlib.metadata
from pathlib import Path

import gguf
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from bitsft.checkpoint.gguf.writer import write_gguf
from bitsft.checkpoint.source import source_from_model
from bitsft.ternary import ternary_layers
from tests.checkpoint.gguf.models import MODELS, ternary_model

# It takes Qwen3's heads of 128 and Gemma 3's attention scale of 1/16 for granted, and does not know the others.
READABLE = [
    "llama",
    "llama, tied, narrow heads",
    "mistral",
    "qwen2",
    "qwen3, wide heads, tied",
    "gemma3, heads of 256",
    "phi3",
]
IDS = torch.arange(3, 67).reshape(2, 32)


def as_stored(model: PreTrainedModel) -> dict[str, Tensor]:
    """The dense state_dict that the file holds."""
    state = dict(model.state_dict())
    for name, layer in ternary_layers(model).items():
        codes, scale = layer.ternary()
        state[f"{name}.weight"] = codes * scale.half().float()
    for name in state:
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            state[name] = state[name].half().float()
    return state


@pytest.fixture(autouse=True)
def _gguf_says_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Python 3.10 transformers does not find it: `importlib.metadata` knows no top-level names of `gguf`."""
    monkeypatch.setattr(gguf, "__version__", importlib.metadata.version("gguf"), raising=False)


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("kind", ["TQ2_0", "Q2_K"])
def test_same_weights_and_logits(
    name: str, kind: str, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = ternary_model(name)
    write_gguf(
        source_from_model(model),
        tmp_path / "model.gguf",
        tiny_tokenizer,
        gguf_type=kind,
        progress=False,
    )
    read = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", dtype=torch.float32
    ).eval()
    expected = MODELS[name]().eval()
    stored = as_stored(model)
    expected.load_state_dict(stored)
    found = read.state_dict()
    assert found.keys() == stored.keys()
    for weight, values in stored.items():
        torch.testing.assert_close(
            found[weight], values, rtol=0, atol=2e-7 if "norm" in weight else 0
        )
    with torch.no_grad():
        torch.testing.assert_close(read(IDS).logits, expected(IDS).logits, rtol=0, atol=2e-5)
