"""Who is compared: how a dense model or layer becomes each library's, and how it is run.

Everybody starts from the same weights; a library's own defaults are kept. Libraries are imported when they are used:
what is not installed says so in its row.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn

from bitsft import BitLinear158
from bitsft.ternary import hold_codes, replace_linear_with_bitlinear


def _bitsft(model: nn.Module) -> None:
    replace_linear_with_bitlinear(model)


def _torchao(model: nn.Module) -> None:
    from torchao.prototype.quantized_training import bitnet_training
    from torchao.quantization import quantize_

    def below_the_head(module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Linear) and "lm_head" not in name

    quantize_(model, bitnet_training(), filter_fn=below_the_head)


def _auto_bit_linear(model: nn.Module) -> None:
    import timing  # noqa: F401 (it makes the CPU benchmarks' modules importable)
    from peers import PEERS

    PEERS["autobitlinear"].convert(model)


def _onebitllms(model: nn.Module) -> None:
    default = torch.get_default_dtype()
    try:
        from onebitllms import replace_linear_with_bitnet_linear

        replace_linear_with_bitnet_linear(model)
    finally:
        torch.set_default_dtype(default)  # it leaves the model's dtype as the default


def _onebitllms_layer(linear: nn.Linear) -> nn.Module:
    from onebitllms.layers import BitNetLinear

    layer = BitNetLinear(linear.in_features, linear.out_features, bias=False).to(linear.weight)
    layer.weight = linear.weight
    return layer


@dataclass(frozen=True)
class Contestant:
    """One way to train.

    Args:
        label: For the table.
        convert: Changes a Llama in place; None leaves it dense.
        compiled: With torch.compile.
        gradients: How bitsft multiplies in the backward pass.
    """

    label: str
    convert: Callable[[nn.Module], None] | None = None
    compiled: bool = True
    gradients: str | None = None

    def choose_gradients(self, device: str) -> None:
        """Both ways live in one module; called before each run, as the contestants take turns."""
        if self.gradients is None or device != "cuda":
            return
        from bitsft.ternary.kernels.gpu import gradients

        gradients.WAY = self.gradients


CONTESTANTS = {
    "dense": Contestant("dense bf16, compiled"),
    "bitsft": Contestant("bitsft, compiled, gradients by cuBLAS", _bitsft, True, "cublas"),
    "torchao": Contestant("torchao bitnet_training, compiled", _torchao),
    "onebitllms": Contestant("onebitllms, eager", _onebitllms, False),
    "bitsft-fused": Contestant("bitsft, compiled, fused gradients", _bitsft, True, "fused"),
    "bitsft-eager": Contestant("bitsft, eager, gradients by cuBLAS", _bitsft, False, "cublas"),
    "autobitlinear": Contestant("AutoBitLinear online, compiled", _auto_bit_linear),
    "onebitllms-compiled": Contestant("onebitllms, compiled", _onebitllms),
}
"""In the order in which they are built; the last ones are left out first when there is no time."""

OF_A_LAYER = {
    "dense": CONTESTANTS["dense"],
    "bitsft": Contestant("bitsft, codes held, gradients by cuBLAS", None, False, "cublas"),
    "bitsft-fused": Contestant("bitsft, codes held, fused gradients", None, False, "fused"),
    "torchao": Contestant("torchao bitnet_training", _torchao, False),
    "onebitllms": Contestant("onebitllms", None, False),
    "autobitlinear": Contestant("AutoBitLinear online", _auto_bit_linear, False),
}
"""For one layer there is nothing to fuse across, so only dense is compiled (and AutoBitLinear's own quantizers)."""


def make_layer(name: str, weight: torch.Tensor, resources: ExitStack, backend: str) -> nn.Module:
    """One layer over a copy of `weight`; what has to stay open while it lives goes to `resources`."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.clone())
    if name.startswith("bitsft"):
        layer = BitLinear158.from_linear(linear)
        resources.enter_context(hold_codes(layer))
        return layer
    if name == "onebitllms":
        return _onebitllms_layer(linear)
    model = nn.Sequential(linear)
    contestant = OF_A_LAYER[name]
    if contestant.convert is not None:
        contestant.convert(model)
    if contestant.compiled:
        model.compile(dynamic=False, backend=backend)
    return model


def compile_backend(device: str) -> str:
    """On a CPU, where only the scripts are tried, nothing is to be compiled by a C++ compiler."""
    return "inductor" if device == "cuda" else "eager"


def clear_compiler(device: str) -> None:
    """Forget compiled graphs, so that many shapes do not meet the limit of recompilations."""
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()
