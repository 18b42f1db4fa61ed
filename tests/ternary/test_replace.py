"""Which layers become ternary, and what is refused."""

import logging

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.integrations.bitnet import AutoBitLinear, BitLinear

from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.pack import pack_codes

SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def llama(**options: object) -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**SIZES, **options))


@pytest.mark.parametrize("tied", [True, False])
def test_all_linear_layers_but_the_head(tied: bool) -> None:
    model = llama(tie_word_embeddings=tied)
    parameters = {name: id(p) for name, p in model.named_parameters()}
    assert replace_linear_with_bitlinear(model) is model
    layers = ternary_layers(model)
    assert len(layers) == 14
    assert layers["model.layers.1.mlp.down_proj"].full_name == "model.layers.1.mlp.down_proj"
    assert type(model.lm_head) is nn.Linear
    assert type(model.model.embed_tokens) is nn.Embedding
    assert {name: id(p) for name, p in model.named_parameters()} == parameters, "nothing is copied"


def test_biases_are_kept() -> None:
    model = Qwen2ForCausalLM(Qwen2Config(**SIZES))
    bias = model.model.layers[0].self_attn.q_proj.bias
    replace_linear_with_bitlinear(model)
    assert model.model.layers[0].self_attn.q_proj.bias is bias


def test_twice_is_once(caplog: pytest.LogCaptureFixture) -> None:
    model = replace_linear_with_bitlinear(llama())
    layers = ternary_layers(model)
    with caplog.at_level(logging.INFO, "bitsft"):
        replace_linear_with_bitlinear(model)
    assert ternary_layers(model) == layers
    assert "0 linear layers made ternary, 14 were ternary already" in caplog.text
    assert "kept in full precision: lm_head" in caplog.text


def test_filter_fn_decides_by_module_and_name() -> None:
    model = llama()
    replace_linear_with_bitlinear(
        model, filter_fn=lambda module, name: "mlp" in name and module.out_features == 64
    )
    assert sorted(ternary_layers(model)) == [
        f"model.layers.{i}.mlp.{kind}_proj" for i in (0, 1) for kind in ("gate", "up")
    ]


def test_options_reach_the_layers() -> None:
    model = replace_linear_with_bitlinear(llama(), activation_bits=None, granularity="row")
    layer = model.model.layers[0].mlp.up_proj
    assert layer.activation_bits is None and layer.granularity == "row"


def test_training_mode_and_frozen_parameters_stay() -> None:
    model = llama().eval()
    model.model.layers[0].mlp.up_proj.weight.requires_grad_(False)
    replace_linear_with_bitlinear(model)
    layer = model.model.layers[0].mlp.up_proj
    assert not layer.training and not layer.weight.requires_grad


def test_routers_stay_in_full_precision() -> None:
    model = MixtralForCausalLM(MixtralConfig(**SIZES, num_local_experts=4, num_experts_per_tok=2))
    replace_linear_with_bitlinear(model)
    assert all("self_attn" in name or "experts" in name for name in ternary_layers(model))
    block = model.model.layers[0].mlp
    block.router, block.shared_expert_gate, block.other = (nn.Linear(32, n) for n in (4, 1, 8))
    gates = block.router, block.shared_expert_gate
    model.model.layers[0].narrow = nn.Linear(32, 4)
    replace_linear_with_bitlinear(model)
    assert (block.router, block.shared_expert_gate) == gates
    assert isinstance(block.other, BitLinear158)
    assert isinstance(model.model.layers[0].narrow, BitLinear158), "as wide as a router, but none"


def test_adapters_stay_in_full_precision() -> None:
    model = get_peft_model(llama(), LoraConfig(r=4, target_modules="all-linear"))
    replace_linear_with_bitlinear(model)
    layers = ternary_layers(model)
    assert len(layers) == 14
    assert all(name.endswith("base_layer") for name in layers)
    assert type(model.base_model.model.model.layers[0].mlp.up_proj.lora_A["default"]) is nn.Linear
    assert not any(layer.weight.requires_grad for layer in layers.values())


def test_a_layer_used_twice_stays_one_layer() -> None:
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"a": shared, "b": shared})
    replace_linear_with_bitlinear(model)
    assert isinstance(model["a"], BitLinear158) and model["a"] is model["b"]


class TestStockBitNetLayers:
    codes = torch.tensor([[1, 0, -1], [0, 0, 1], [-1, 1, 1], [0, -1, 0]], dtype=torch.int8)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))

    def packed(self) -> nn.ModuleDict:
        layer = BitLinear(3, 4, bias=True, dtype=torch.float32)
        layer.weight.copy_(pack_codes(self.codes))
        layer.weight_scale.fill_(1 / 0.37)
        layer.bias.copy_(torch.arange(4.0))
        return nn.ModuleDict({"proj": layer})

    def test_packed_bitlinear_divides_by_its_scale(self) -> None:
        model = self.packed()
        expected = model["proj"](self.x)
        replace_linear_with_bitlinear(model)
        layer = model["proj"]
        assert layer.on_grid
        codes, scale = layer.ternary()
        assert torch.equal(codes, self.codes) and scale.item() == pytest.approx(0.37)
        torch.testing.assert_close(layer(self.x), expected)
        assert layer.weight.requires_grad and layer.bias.requires_grad

    def test_offline_autobitlinear_multiplies_by_its_scale(self) -> None:
        layer = AutoBitLinear(3, 4, bias=True, online_quant=False)  # scales its bias, too
        layer.weight.data = self.codes.float()
        layer.weight_scale.fill_(0.37)
        model = nn.ModuleDict({"proj": layer})
        expected = layer(self.x)
        replace_linear_with_bitlinear(model)
        assert model["proj"].ternary()[1].item() == pytest.approx(0.37)
        torch.testing.assert_close(model["proj"](self.x), expected)

    def test_online_autobitlinear_shares_its_latents(self) -> None:
        layer = AutoBitLinear(3, 4, bias=True, online_quant=True)
        model = nn.ModuleDict({"proj": layer})
        expected = layer(self.x)
        replace_linear_with_bitlinear(model)
        assert model["proj"].weight is layer.weight
        torch.testing.assert_close(model["proj"](self.x), expected)

    def test_online_autobitlinear_takes_its_scale_from_the_mean_even_on_a_grid(self) -> None:
        layer = AutoBitLinear(3, 4, bias=False, online_quant=True)
        layer.weight.data = 0.5 * self.codes.float()
        model = nn.ModuleDict({"proj": layer})
        expected = layer(self.x)
        replace_linear_with_bitlinear(model)
        mean = 0.5 * self.codes.abs().float().mean().item()
        assert model["proj"].ternary()[1].item() == pytest.approx(mean)
        torch.testing.assert_close(model["proj"](self.x), expected)

    def test_a_normalizing_layer_is_refused(self) -> None:
        model = nn.ModuleDict({"proj": AutoBitLinear(4, 4, online_quant=True, use_rms_norm=True)})
        with pytest.raises(ValueError, match="proj: .*use_rms_norm"):
            replace_linear_with_bitlinear(model)


class TestRefused:
    def test_a_model_without_linear_layers(self) -> None:
        with pytest.raises(ValueError, match="holds no nn.Linear.*Conv1d.*bitsandbytes"):
            replace_linear_with_bitlinear(nn.Sequential(nn.Conv1d(2, 2, 1)))

    def test_an_empty_model(self) -> None:
        with pytest.raises(ValueError, match="no parameters"):
            replace_linear_with_bitlinear(nn.Sequential())

    def test_a_filter_that_leaves_nothing(self) -> None:
        with pytest.raises(ValueError, match="filter_fn left out all 14 linear layers"):
            replace_linear_with_bitlinear(llama(), filter_fn=lambda *_: False)

    def test_nan_weights_name_their_layer_and_leave_the_model_as_it_was(self) -> None:
        model = llama()
        model.model.layers[1].mlp.gate_proj.weight.data[0, 0] = float("nan")
        with pytest.raises(ValueError, match=r"model\.layers\.1\.mlp\.gate_proj.*NaN"):
            replace_linear_with_bitlinear(model)
        assert not ternary_layers(model)

    def test_a_quantized_subclass_is_not_taken_for_a_linear_layer(self) -> None:
        class Quantized(nn.Linear):
            pass

        with pytest.raises(ValueError, match="Quantized.*another method has quantized"):
            replace_linear_with_bitlinear(nn.Sequential(Quantized(4, 4)))
