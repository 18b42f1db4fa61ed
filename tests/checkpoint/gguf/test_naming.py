"""The name of the model, which llama.cpp tokenizes by."""

from pathlib import Path

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from bitsft.checkpoint.gguf.naming import model_name
from bitsft.checkpoint.gguf.writer import write_gguf
from bitsft.checkpoint.source import source_from_model
from tests.checkpoint.gguf.models import llama, ternary


@pytest.fixture
def model() -> PreTrainedModel:
    return ternary(llama(hidden_size=64, intermediate_size=96))


def like_phi3(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Special tokens that swallow the space after them, all but three."""
    for text in ("<pad>", "</s>", "<|user|>"):
        tokenizer.add_tokens([AddedToken(text, rstrip=True, special=True)], special_tokens=True)
    for text in ("<unk>", "<s>", "<|endoftext|>"):
        tokenizer.add_tokens([AddedToken(text, rstrip=False, special=True)], special_tokens=True)
    return tokenizer


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("org/My-Model-1B", "My-Model-1B"),
        ("/home/someone/out/", "out"),
        ("", "LlamaForCausalLM"),
        ("microsoft/Phi-3-mini", "Phi 3-mini"),
        ("my-PHI3-copy", "my-Phi 3-copy"),
        ("Modern-BERT-like", "modern bert-like"),
    ],
)
def test_names(
    folder: str, expected: str, model: PreTrainedModel, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    model.config.name_or_path = folder
    assert model_name(model, tiny_tokenizer) == expected


def test_a_tokenizer_like_phi3_is_called_phi3(
    model: PreTrainedModel, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    tokenizer = like_phi3(tiny_tokenizer)
    model.config.name_or_path = "org/tuned"
    assert model_name(model, tokenizer) == "tuned (Phi-3 tokenizer)"
    model.config.name_or_path = "org/Phi-3-tuned"
    assert model_name(model, tokenizer) == "Phi-3-tuned"
    tokenizer.add_tokens([AddedToken("<|more|>", rstrip=False, special=True)])
    assert model_name(model, tokenizer) == "Phi 3-tuned"


@pytest.mark.parametrize("phi3", [False, True])
def test_llama_cpp_tokenizes_by_the_name(
    phi3: bool, model: PreTrainedModel, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    tokenizer = like_phi3(tiny_tokenizer) if phi3 else tiny_tokenizer
    model.config.name_or_path = "Phi-3-tuned"
    write_gguf(source_from_model(model), tmp_path / "m.gguf", tokenizer, progress=False)
    runtime = llama_cpp.Llama(str(tmp_path / "m.gguf"), vocab_only=True, verbose=False)
    for text in ("</s> 안녕하세요", "<s> 안녕하세요", "<pad>\n안녕"):
        found = runtime.tokenize(text.encode(), add_bos=False, special=True)
        assert found == tokenizer(text)["input_ids"]
    runtime.close()
