"""`model.generate` quantizes each weight once a call, and stays the model's own."""

import copy
import gc
import inspect
import pickle
import weakref

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.kernels import blocked

IDS = torch.arange(3, 11).reshape(1, 8)


def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        eos_token_id=None,
        pad_token_id=0,
    )
    return replace_linear_with_bitlinear(LlamaForCausalLM(config)).eval()  # type: ignore[return-value]


def answer(model: torch.nn.Module) -> list[int]:
    ids = model.generate(input_ids=IDS, max_new_tokens=6, do_sample=False)  # type: ignore[operator]
    return ids[0].tolist()


@pytest.fixture
def quantized(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    seen: list[torch.Size] = []
    original = blocked.quantize_weight

    def counted(weight: torch.Tensor, *args: object, **kwargs: object) -> object:
        seen.append(weight.shape)
        return original(weight, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(blocked, "quantize_weight", counted)
    return seen


def test_each_weight_is_quantized_once_a_call(quantized: list[torch.Size]) -> None:
    model = tiny()
    first = answer(model)
    assert len(quantized) == 7
    assert answer(model) == first
    assert len(quantized) == 14, "nothing is kept between calls"
    assert (
        first
        == LlamaForCausalLM.generate(model, IDS, max_new_tokens=6, do_sample=False)[0].tolist()
    )


def test_weights_edited_around_pytorch_between_calls_count() -> None:
    model = tiny()
    before = answer(model)
    for layer in ternary_layers(model).values():
        layer.weight.data.normal_()
    expected = LlamaForCausalLM.generate(model, IDS, max_new_tokens=6, do_sample=False)[0].tolist()
    assert answer(model) == expected != before


def test_copies_generate_with_their_own_weights() -> None:
    model = tiny()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            other.model.embed_tokens.weight.neg_()
        assert (
            answer(other)
            == LlamaForCausalLM.generate(other, IDS, max_new_tokens=6, do_sample=False)[0].tolist()
        )
        assert other.generate is not model.generate


def test_it_looks_like_generate_and_is_installed_once() -> None:
    model = tiny()
    installed = model.generate
    replace_linear_with_bitlinear(model)
    assert model.generate is installed
    parameters = inspect.signature(model.generate).parameters
    assert "generation_config" in parameters and "Generates sequences" in (
        model.generate.__doc__ or ""
    )


def test_adapters_over_the_model_use_it(quantized: list[torch.Size]) -> None:
    model = get_peft_model(tiny(), LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM"))
    answer(model)
    assert len(quantized) == 7


def test_the_model_is_not_kept_alive() -> None:
    model = tiny()
    generate, gone = model.generate, weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    with pytest.raises(ReferenceError, match="no longer exists"):
        generate()
