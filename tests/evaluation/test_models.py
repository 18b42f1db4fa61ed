"""load_model: which kind a folder is, its tokenizer, its identity, and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import decoders
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from bitsft import load_ternary, replace_linear_with_bitlinear, save_ternary
from bitsft.adapters.base_identity import base_of_model, write_base
from bitsft.evaluation.models import has_ternary_layers, load_model
from bitsft.scratch import new_llama
from bitsft.ternary.packed_linear import PackedLinear158, layers_with_codes


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([[5, 6, 7]])).logits
    return found


@pytest.fixture
def packed_folder(
    tmp_path: Path, tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> Path:
    save_ternary(replace_linear_with_bitlinear(tiny_llama), tmp_path / "packed")
    tiny_tokenizer.save_pretrained(tmp_path / "packed")
    return tmp_path / "packed"


def adapter_over(base: Path, folder: Path) -> torch.Tensor:
    """Write an adapter, and return the logits that it should give."""
    model = load_model(base).model
    lora = LoraConfig(
        r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False
    )
    adapted = get_peft_model(model, lora)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(folder)
    return logits(adapted.eval())


def test_a_dense_folder_stays_dense(model_folder: Path, tiny_llama: LlamaForCausalLM) -> None:
    loaded = load_model(model_folder)
    assert (loaded.kind, loaded.dtype, loaded.name) == ("dense", "float32", str(model_folder))
    assert not has_ternary_layers(loaded.model) and not loaded.model.training
    assert torch.equal(logits(loaded.model), logits(tiny_llama.eval()))


def test_a_dense_folder_becomes_ternary_when_asked(
    model_folder: Path, tiny_llama: LlamaForCausalLM
) -> None:
    loaded = load_model(model_folder, ternary=True)
    expected = logits(replace_linear_with_bitlinear(tiny_llama).eval())
    assert loaded.kind == "ternary"
    assert torch.equal(logits(loaded.model), expected)
    assert loaded.identity != load_model(model_folder).identity


def test_a_packed_folder_is_ternary(packed_folder: Path) -> None:
    assert load_model(packed_folder).kind == "ternary"
    assert has_ternary_layers(load_model(packed_folder, dtype="bfloat16").model)


def test_a_latent_folder_is_ternary(
    tmp_path: Path, tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    save_ternary(replace_linear_with_bitlinear(tiny_llama), tmp_path / "m", format="latent")
    loaded = load_model(tmp_path / "m", tokenizer=tiny_tokenizer)
    assert loaded.kind == "ternary" and loaded.tokenizer is tiny_tokenizer


@pytest.mark.parametrize("base", ["dense", "packed"])
def test_an_adapter_over_its_base(
    model_folder: Path, packed_folder: Path, tmp_path: Path, base: str
) -> None:
    folder = model_folder if base == "dense" else packed_folder
    expected = adapter_over(folder, tmp_path / "adapter")
    loaded = load_model(tmp_path / "adapter")
    assert loaded.kind == {"dense": "dense + adapter", "packed": "ternary + adapter"}[base]
    assert torch.equal(logits(loaded.model), expected)
    assert loaded.tokenizer.get_vocab() == load_model(folder).tokenizer.get_vocab()
    assert loaded.identity != load_model(folder).identity


def test_an_adapter_that_names_its_ternary_base(
    model_folder: Path, packed_folder: Path, tmp_path: Path
) -> None:
    expected = adapter_over(packed_folder, tmp_path / "adapter")
    write_base(base_of_model(load_ternary(packed_folder)), tmp_path / "adapter")
    loaded = load_model(tmp_path / "adapter")
    layers = layers_with_codes(loaded.model).values()
    assert loaded.kind == "ternary + adapter"
    assert len(layers) == 14 and all(isinstance(layer, PackedLinear158) for layer in layers)
    assert torch.equal(logits(loaded.model), expected)
    config = tmp_path / "adapter" / "adapter_config.json"
    other = load_ternary(packed_folder)
    with torch.no_grad():
        other.model.layers[0].mlp.up_proj.weight.neg_()
    save_ternary(other, tmp_path / "other")
    config.write_text(config.read_text().replace(str(packed_folder), str(tmp_path / "other")))
    with pytest.raises(ValueError, match="have other codes"):
        load_model(tmp_path / "adapter")


def test_an_adapter_whose_base_is_gone(model_folder: Path, tmp_path: Path) -> None:
    adapter_over(model_folder, tmp_path / "adapter")
    model_folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="write its folder into base_model_name_or_path"):
        load_model(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="names no base model"):
        load_model(tmp_path / "adapter")


@pytest.fixture
def nf4_folder(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast) -> Path:
    """A model stored in 4 bits, as the "bnb-4bit" repositories of the Hub are, and in full precision beside it."""
    # 64 wide: where a CPU has AVX512-BF16, bitsandbytes 0.50 packs anew in blocks of 64, and 32 do not fit
    new_llama(tiny_tokenizer, hidden_size=64, layers=1).save_pretrained(tmp_path / "wide")
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    quantized = AutoModelForCausalLM.from_pretrained(tmp_path / "wide", quantization_config=config)
    quantized.save_pretrained(tmp_path / "nf4")
    for name in ("wide", "nf4"):
        tiny_tokenizer.save_pretrained(tmp_path / name)
    return tmp_path / "nf4"


def test_a_folder_in_four_bits(nf4_folder: Path) -> None:
    loaded = load_model(nf4_folder)
    layer = loaded.model.model.layers[0].self_attn.q_proj
    assert loaded.kind == "bitsandbytes" and layer.weight.dtype == torch.uint8
    dense = logits(load_model(nf4_folder.parent / "wide").model)
    assert 0.01 < (logits(loaded.model) - dense).norm() / dense.norm() < 0.3
    with pytest.raises(ValueError, match="name the full-precision model.*--ternary"):
        load_model(nf4_folder, ternary=True)


def test_an_adapter_over_a_folder_in_four_bits(
    nf4_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = adapter_over(nf4_folder, tmp_path / "adapter")
    loaded = load_model(tmp_path / "adapter")
    assert loaded.kind == "bitsandbytes + adapter"
    assert torch.equal(logits(loaded.model), expected)
    assert not torch.equal(expected, logits(load_model(nf4_folder).model))
    assert "full precision" not in caplog.text


def test_four_bits_without_bitsandbytes(nf4_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ImportError, match=r'pip install "bitsft\[qlora\]"'):
        load_model(nf4_folder)


def test_identity_is_of_the_contents(model_folder: Path, tmp_path: Path) -> None:
    before = load_model(model_folder).identity
    copied = shutil.copytree(model_folder, tmp_path / "copy")
    (copied / "README.md").write_text("other")
    (copied / "run.json").write_text("{}")
    assert load_model(copied).identity == before
    (copied / "generation_config.json").write_text('{"repetition_penalty": 1.5}')
    assert load_model(copied).identity != before


def test_identity_is_of_a_tokenizer_in_memory_too(
    model_folder: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    def identity() -> str:
        return load_model(model_folder, tokenizer=tiny_tokenizer).identity

    first = identity()
    tiny_tokenizer("가 나", padding="max_length", truncation=True, max_length=1)
    assert identity() == first  # a call decides nothing about the next
    tiny_tokenizer.chat_template = "{{ messages[0]['content'] }}"
    with_template = identity()
    tiny_tokenizer.add_tokens(["한라산"])
    with_token = identity()
    tiny_tokenizer.backend_tokenizer.decoder = decoders.Replace("a", "b")
    assert len({first, with_template, with_token, identity()}) == 4


def test_a_model_in_memory(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    loaded = load_model(tiny_llama, tokenizer=tiny_tokenizer)
    assert loaded.model is tiny_llama and loaded.kind == "dense"
    with torch.no_grad():
        tiny_llama.model.norm.weight[0] += 1
    assert load_model(tiny_llama, tokenizer=tiny_tokenizer).identity != loaded.identity
    with pytest.raises(ValueError, match="ternary=True is for a model that is loaded here"):
        load_model(tiny_llama, tokenizer=tiny_tokenizer, ternary=True)
    with pytest.raises(ValueError, match="give the tokenizer of a model in memory"):
        load_model(tiny_llama)


def test_what_is_no_model(tmp_path: Path, model_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no model of that name could be fetched"):
        load_model("nobody/nothing")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(FileNotFoundError, match="give the folder it was made from"):
        load_model(tmp_path / "model.gguf")
    (model_folder / "tokenizer.json").unlink()
    (model_folder / "tokenizer_config.json").unlink()
    with pytest.raises(FileNotFoundError, match="holds no tokenizer.*--tokenizer"):
        load_model(model_folder)


def test_a_tokenizer_or_device_that_is_not_there(tmp_path: Path, model_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing: there is no such folder.*--tokenizer"):
        load_model(model_folder, tokenizer="missing")  # the Hub is not asked
    for device in ("cuda:99", "nothing"):
        with pytest.raises(ValueError, match=f"device='{device}': torch cannot use it here"):
            load_model(model_folder, device=device)
