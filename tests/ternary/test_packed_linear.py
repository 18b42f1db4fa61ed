"""A packed layer computes what the layer it was made from computes, in a quarter of a byte a weight."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_stats
from bitsft.ternary.kernels import blocked, reference
from bitsft.ternary.pack import pack_codes
from bitsft.ternary.packed_linear import CodesInMemory, PackedLinear158, layers_with_codes
from bitsft.ternary.packed_model import pack_model

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("codes_in_memory", ["packed", "int8"])
@pytest.mark.parametrize(("out_features", "in_features"), [(1, 1), (6, 5), (40, 33), (96, 64)])
def test_output_and_input_gradient_are_those_of_the_layer(
    out_features: int,
    in_features: int,
    codes_in_memory: CodesInMemory,
    bias: bool,
    granularity: str,
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(0)
    layer = BitLinear158(in_features, out_features, bias, dtype=dtype, granularity=granularity)  # type: ignore[arg-type]
    packed = PackedLinear158.from_bitlinear(layer, codes_in_memory)
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
    assert sum(t.untyped_storage().nbytes() for t in packed.buffers()) <= 0.27 * 64 * 128
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
    monkeypatch.setattr(blocked, "CODES_OF_A_BLOCK", 1)
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


@settings(deadline=None, max_examples=60)
@given(
    out_features=st.integers(1, 70),
    in_features=st.integers(1, 70),
    tokens=st.integers(1, 5),
    dtype=st.sampled_from(DTYPES),
    granularity=st.sampled_from(["tensor", "row"]),
    bias=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_shape_has_one_result_in_either_form(
    out_features: int,
    in_features: int,
    tokens: int,
    dtype: torch.dtype,
    granularity: str,
    bias: bool,
    seed: int,
) -> None:
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randint(-1, 2, (out_features, in_features), dtype=torch.int8, generator=draw)
    rows = torch.rand(out_features, 1, generator=draw) + 0.1
    scale = rows if granularity == "row" else torch.tensor(0.3)
    shift = torch.randn(out_features, generator=draw).to(dtype) if bias else None
    given_x = torch.randn(tokens, in_features, generator=draw).to(dtype)
    results = []
    for form in ("packed", "int8"):
        layer = PackedLinear158(codes, scale, shift, codes_in_memory=form)  # type: ignore[arg-type]
        assert torch.equal(layer.ternary()[0], codes) and torch.equal(layer.ternary()[1], scale)
        assert torch.equal(layer.weight, (codes * scale).to(layer.weight.dtype))
        x = given_x.clone().requires_grad_()
        y = layer(x)
        grad_y = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(dtype)
        (grad_x,) = torch.autograd.grad(y, x, grad_y)
        results.append((y, grad_x))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])
    expected = (grad_y.float() * scale.reshape(1, -1)).to(dtype) @ codes.to(dtype)
    torch.testing.assert_close(results[0][1], expected)
    x_i8, inverse_scale = reference.quantize_rows(given_x)
    exact = reference.ternary_product(x_i8, inverse_scale, codes, scale, shift, dtype)
    assert torch.equal(results[0][0], exact)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_blocks_of_columns_give_the_gradient_of_the_reference(
    granularity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocked, "CODES_OF_A_BLOCK", 1)  # 32 columns at a time
    torch.manual_seed(0)
    codes = torch.randint(-1, 2, (40, 100), dtype=torch.int8)
    scale = torch.tensor(0.3) if granularity == "tensor" else torch.rand(40, 1) + 0.1
    grad = torch.randn(7, 40)
    for dtype in (torch.float32, torch.bfloat16):
        arguments = (grad, pack_codes(codes), scale, dtype)
        found = blocked.packed_input_gradient(*arguments)
        assert found.shape == (7, 100) and found.dtype == dtype
        torch.testing.assert_close(found, reference.packed_input_gradient(*arguments))
        torch.testing.assert_close(found, reference.input_gradient(grad, codes, scale, dtype))


@pytest.mark.parametrize("form", ["packed", "int8"])
def test_copies_casts_and_state(form: CodesInMemory) -> None:
    torch.manual_seed(0)
    layer = PackedLinear158.from_bitlinear(BitLinear158(12, 10, granularity="row"), form)
    x = torch.randn(3, 12)
    copied = copy.deepcopy(layer)
    assert torch.equal(copied(x), layer(x))
    assert not {t.data_ptr() for t in copied.buffers()} & {t.data_ptr() for t in layer.buffers()}
    scale = layer.weight_scale.clone()
    for cast in (torch.bfloat16, torch.float16, torch.float32):
        copied.to(cast)
        assert copied.weight.dtype == copied.bias.dtype == cast
        assert copied.weight_scale.dtype == torch.float32
        assert torch.equal(copied.weight_scale, scale), "a cast rounds no scale"
    assert copied.half().weight.dtype == torch.float16
    assert copied.to("meta").weight.is_meta
    for other in ("packed", "int8"):
        empty = PackedLinear158(
            torch.zeros(10, 12, dtype=torch.int8),
            torch.ones(10, 1),
            torch.zeros(10),
            codes_in_memory=other,  # type: ignore[arg-type]
        )
        empty.load_state_dict(layer.state_dict())
        assert torch.equal(empty(x), layer(x)), "either form loads the other's state"
        assert empty.codes_in_memory == other
        assert torch.equal(empty.packed_codes(), layer.packed_codes())


def test_it_is_a_linear_layer_for_whoever_asks() -> None:
    torch.manual_seed(0)
    made = BitLinear158(12, 8, bias=False, dtype=torch.bfloat16)
    made.full_name = "up_proj"
    layer = PackedLinear158.from_bitlinear(made)
    assert isinstance(layer, nn.Linear) and layer.full_name == "up_proj"
    codes, scale = made.ternary()
    assert torch.equal(layer.weight, (codes * scale).to(torch.bfloat16))
    assert layer.weight.device == layer.weight_scale.device and not layer.weight.requires_grad
    assert layer.bias is None and not list(layer.parameters())


def test_int8_codes_take_a_byte_and_other_choices_are_refused() -> None:
    layer = PackedLinear158.from_bitlinear(BitLinear158(64, 130, bias=False), "int8")
    assert set(layer.state_dict()) == {"codes", "weight_scale"}
    assert layer.codes is not None and layer.codes.shape == (130, 64)
    assert "codes_in_memory='int8'" in repr(layer)
    with pytest.raises(ValueError, match="codes_in_memory is 'int4'; use 'packed' or 'int8'"):
        pack_model(nn.Sequential(BitLinear158(4, 4)), codes_in_memory="int4")  # type: ignore[arg-type]


def test_damaged_bytes_are_refused() -> None:
    packed = pack_codes(torch.ones(8, 5, dtype=torch.int8))
    assert PackedLinear158.from_packed(packed, torch.tensor(1.0), None).out_features == 8
    for bits in (0b11, 0b1100, 0b110000, 0b11000000):
        packed[1, 3] = bits
        with pytest.raises(ValueError, match="A pair of bits is 3"):
            PackedLinear158.from_packed(packed, torch.tensor(1.0), None)


def test_statistics_and_conversion_take_packed_layers() -> None:
    codes = torch.tensor([[1, -1, 0, 0], [0, 0, 0, 1]], dtype=torch.int8)
    model = nn.Sequential(PackedLinear158(codes, torch.tensor(0.5), None))
    stats = ternary_stats(model)
    assert (stats.layers, stats.weights) == (1, 8)
    assert (stats.minus, stats.zero, stats.plus, stats.dead_zone) == (0.125, 0.625, 0.25, 0.625)
    assert replace_linear_with_bitlinear(model) is model, "ternary already"
    assert list(layers_with_codes(model)) == ["0"] and type(model[0]) is PackedLinear158


def test_torch_compile_takes_either_form_in_one_graph() -> None:
    torch.manual_seed(0)
    for form in ("packed", "int8"):
        layer = PackedLinear158.from_bitlinear(BitLinear158(16, 10), form)  # type: ignore[arg-type]
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        x = torch.randn(4, 16, requires_grad=True)
        (found,) = torch.autograd.grad(compiled(x).sum(), x)
        (expected,) = torch.autograd.grad(layer(x).sum(), x)
        torch.testing.assert_close(found, expected)
