"""A packed layer computes what the layer it was made from computes, in a quarter of a byte a weight."""

import copy

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear
from bitsft.ternary.kernels import blocked, reference
from bitsft.ternary.pack import pack_codes
from bitsft.ternary.packed_linear import PackedLinear158, pack_model

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("out_features", "in_features"), [(1, 1), (6, 5), (40, 33), (96, 64)])
def test_output_and_input_gradient_are_those_of_the_layer(
    out_features: int, in_features: int, bias: bool, granularity: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    layer = BitLinear158(in_features, out_features, bias, dtype=dtype, granularity=granularity)  # type: ignore[arg-type]
    packed = PackedLinear158.from_bitlinear(layer)
    results = []
    for module in (layer, packed):
        x = torch.randn(
            2, 3, in_features, dtype=dtype, generator=torch.Generator().manual_seed(1)
        ).requires_grad_()
        y = module(x)
        (y.float() ** 2).sum().backward()
        results.append((y, x.grad))
    (y, grad), (packed_y, packed_grad) = results
    assert packed_y.shape == (2, 3, out_features) and packed_y.dtype == dtype
    assert torch.equal(packed_y, y)
    torch.testing.assert_close(packed_grad, grad)
    assert not [p for p in packed.parameters() if p.requires_grad]


def test_weight_only_layers_and_autocast() -> None:
    layer = BitLinear158(16, 10, activation_bits=None)
    packed = PackedLinear158.from_bitlinear(layer)
    x = torch.randn(3, 16)
    assert torch.equal(packed(x), layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert packed(x).dtype == torch.bfloat16
        layer = BitLinear158(16, 10)
        assert torch.equal(PackedLinear158.from_bitlinear(layer)(x), layer(x))


def test_a_weight_takes_a_quarter_of_a_byte() -> None:
    packed = PackedLinear158.from_bitlinear(BitLinear158(64, 128, bias=False))
    size = sum(t.numel() * t.element_size() for t in packed.state_dict().values())
    assert size == 64 * 128 // 4 + 4
    assert set(packed.state_dict()) == {"packed", "weight_scale"}
    assert "in_features=64, out_features=128, bias=False" in repr(packed)


def test_a_model_is_packed_in_place_and_answers_alike() -> None:
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = replace_linear_with_bitlinear(LlamaForCausalLM(config)).eval()
    ids = torch.tensor([[3, 5, 7, 9]])
    packed = pack_model(copy.deepcopy(model))
    assert not [m for m in packed.modules() if isinstance(m, BitLinear158)]
    assert sum(isinstance(m, PackedLinear158) for m in packed.modules()) == 14
    with torch.no_grad():
        assert torch.equal(packed(ids).logits, model(ids).logits)
    answers = [m.generate(ids, max_new_tokens=5, do_sample=False).tolist() for m in (model, packed)]
    assert answers[0] == answers[1]


def test_a_layer_in_two_places_is_packed_once() -> None:
    layer = BitLinear158(8, 8)
    model = pack_model(nn.ModuleDict({"a": layer, "b": nn.Sequential(layer)}))
    assert isinstance(model["a"], PackedLinear158) and model["a"] is model["b"][0]


def test_a_broken_weight_is_refused() -> None:
    layer = BitLinear158(8, 8)
    with torch.no_grad():
        layer.weight[0, 0] = float("inf")
    with pytest.raises(ValueError, match="NaN or infinite"):
        PackedLinear158.from_bitlinear(layer)
    with pytest.raises(ValueError, match="-1, 0 or 1"):
        PackedLinear158(torch.full((4, 4), 2, dtype=torch.int8), torch.tensor(1.0), None)


@pytest.mark.parametrize("tokens", [0, 1, 70])
@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_blocks_of_packed_rows_give_the_bits_of_the_reference(
    tokens: int, granularity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocked, "BLOCK_ELEMENTS", 1)
    torch.manual_seed(0)
    codes = torch.randint(-1, 2, (100, 48), dtype=torch.int8)
    scale = torch.tensor(0.3) if granularity == "tensor" else torch.rand(100, 1) + 0.1
    x_i8, inverse_scale = reference.quantize_rows(torch.randn(tokens, 48))
    for bias in (None, torch.randn(100)):
        arguments = (x_i8, inverse_scale, pack_codes(codes), scale, bias, torch.float32)
        found = blocked.packed_product(*arguments)
        assert torch.equal(found, reference.packed_product(*arguments))
        plain = reference.ternary_product(x_i8, inverse_scale, codes, scale, bias, torch.float32)
        assert torch.equal(found, plain)
