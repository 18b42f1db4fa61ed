"""The competitors: how a dense model becomes what each library trains, and the models they train.

Everything starts from the same random Llama; only the linear layers below the head are replaced, as in bitsft (TRL's
fused loss never calls the head's forward). A library's own defaults are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BitNetQuantConfig, LlamaConfig, LlamaForCausalLM
from transformers.integrations.bitnet import replace_with_bitnet_linear

from bitsft.ternary import replace_linear_with_bitlinear
from bitsft.training import head_tiles


@dataclass(frozen=True)
class Shape:
    """A Llama without grouped queries, head size 64, tied embeddings."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int = 8192

    def model(self, dtype: torch.dtype = torch.float32, seed: int = 0) -> LlamaForCausalLM:
        config = LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.hidden // 64,
            num_key_value_heads=self.hidden // 64,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).to(dtype)


SIZES = {
    "tiny": Shape(128, 256, 2, 1024),  # to try the scripts, not to measure
    "10M": Shape(384, 1024, 4),  # 10.2 M parameters, of which 7.1 M ternary
    "100M": Shape(768, 2048, 13),  # 98.3 M, 92.0 M
    "350M": Shape(1024, 2816, 26),  # 342.4 M, 334.0 M
    "1B": Shape(2048, 8192, 18),  # 1.22 G, 1.21 G: the layers of Falcon3-1B, for generation
}


def _auto_bit_linear(model: nn.Module) -> None:
    weights = {
        name: (module.weight, module.bias)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }
    replace_with_bitnet_linear(
        model,
        modules_to_not_convert=["lm_head"],
        quantization_config=BitNetQuantConfig(
            linear_class="autobitlinear", quantization_mode="online"
        ),
    )
    for name, (weight, bias) in weights.items():  # transformers makes the layers on "meta"
        layer = model.get_submodule(name)
        layer.weight, layer.bias = weight, bias


def _torchao(model: nn.Module) -> None:
    from torchao.prototype.quantized_training import bitnet_training
    from torchao.quantization import quantize_

    def below_the_head(module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Linear) and "lm_head" not in name

    quantize_(model, bitnet_training(), filter_fn=below_the_head)


def _torchao_with_casts(model: nn.Module) -> None:
    """torchao's layer looks at CUDA's autocast only; here its casts are made for it, as it makes them on CUDA."""
    _torchao(model)

    def forward(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        bias = None if layer.bias is None else layer.bias.to(torch.bfloat16)
        return F.linear(x.to(torch.bfloat16), layer.weight.to(torch.bfloat16), bias)

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and "lm_head" not in name:
            module.forward = MethodType(forward, module)


def _bitlinear(model: nn.Module) -> None:
    from bitlinear import replace_modules

    replace_modules(model, match_name=r"^(?!.*lm_head)")  # by default it replaces the head, too


def _with_the_head_of_trl(_: nn.Module) -> None:
    """bitsft without its narrow tiles in TRL's fused head; in this process, which trains this model only."""
    head_tiles.WORDS_OF_A_TILE = 2**30


class _Nothing(torch.autograd.Function):
    """Zeros of the right shapes, without a product."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.shapes = (x.shape, x.dtype, weight.shape, weight.dtype)
        return x.new_zeros(*x.shape[:-1], len(weight), dtype=torch.bfloat16)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x_shape, x_dtype, weight_shape, weight_dtype = ctx.shapes
        return grad.new_zeros(x_shape, dtype=x_dtype), grad.new_zeros(
            weight_shape, dtype=weight_dtype
        )


def _without_products(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and "lm_head" not in name:
            module.forward = MethodType(lambda layer, x: _Nothing.apply(x, layer.weight), module)


def _bitsft(model: nn.Module) -> None:
    replace_linear_with_bitlinear(model)


@dataclass(frozen=True)
class Peer:
    """One way to train; `convert` changes the model in place, None leaves it dense."""

    label: str
    dtype: torch.dtype = torch.float32
    convert: Callable[[nn.Module], None] | None = None
    projection: str | None = None  # of bitsft's own trainer; the others get trl.SFTTrainer
    environment: tuple[tuple[str, str], ...] = ()


PEERS = {
    "bitsft": Peer("bitsft, latent", projection="latent"),
    "bitsft-trl-head": Peer(
        "bitsft, latent, head in TRL's tiles",
        convert=_with_the_head_of_trl,
        projection="latent",
    ),
    "bitsft-stochastic": Peer("bitsft, stochastic", projection="stochastic"),
    "dense-autocast": Peer("dense, float32 weights, bf16 autocast"),
    "dense-bf16": Peer("dense, bf16 weights", torch.bfloat16),
    "autobitlinear": Peer("transformers AutoBitLinear, online", convert=_auto_bit_linear),
    "autobitlinear-eager": Peer(
        "transformers AutoBitLinear, online, no torch.compile",
        convert=_auto_bit_linear,
        environment=(("TORCHDYNAMO_DISABLE", "1"),),
    ),
    "nothing": Peer(
        "linear layers that compute nothing: the rest of a step", convert=_without_products
    ),
    "torchao": Peer("torchao bitnet_training, autocast", convert=_torchao),
    "torchao-cast": Peer("torchao bitnet_training, casts by hand", convert=_torchao_with_casts),
    "torchao-bf16": Peer("torchao bitnet_training, bf16 weights", torch.bfloat16, _torchao),
    "bitlinear": Peer("bitlinear", convert=_bitlinear),
}
REFERENCE = "bitsft"


def convert_with_bitsft(model: nn.Module) -> nn.Module:
    """For benchmarks without a trainer, which converts by itself."""
    _bitsft(model)
    return model
