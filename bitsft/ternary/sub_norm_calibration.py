"""Weights of freshly inserted sub-norms, so that the model changes as little as possible.

A norm divides each token x by its root mean square r. No weight brings r back, as it differs from token to token; with
n = x / r the weight of channel j that brings w·n closest to x over the rows is, by least squares,

    w_j = Σ n_j·x_j / Σ n_j²        the mean of r over the tokens, counted by how much of a token lies in channel j

Each norm is fitted to what its layer saw before: while the rows are read, all norms are left out, and latent weights
count in full precision, because it is the full-precision model whose behaviour is to be kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BitNetForCausalLM
from transformers.models.bitnet.modeling_bitnet import BitNetRMSNorm

from bitsft.ternary.linear import ternary_layers

Watch = Callable[[str, Tensor], None]


@torch.no_grad()
def calibrate_sub_norms(model: BitNetForCausalLM, rows: Iterable[Tensor | Sequence[int]]) -> None:
    """Overwrite the weights of all sub-norms; see the module.

    Args:
        model: A model whose sub-norms were not trained yet.
        rows: Token ids, one sequence after the other, without padding.

    Raises:
        ValueError: There is no token in `rows`.
    """
    norms = sub_norms(model)
    products = {name: torch.zeros_like(n.weight, dtype=torch.float32) for name, n in norms.items()}
    energies = {name: torch.zeros_like(total) for name, total in products.items()}

    def watch(name: str, x: Tensor) -> None:
        x = x.detach().float().flatten(0, -2)
        size = x.square().mean(-1, keepdim=True).add(norms[name].variance_epsilon).sqrt()
        products[name] += (x * (x / size)).sum(0)
        energies[name] += (x / size).square().sum(0)

    device = model.get_input_embeddings().weight.device
    read = 0
    with sub_norms_left_out(model, watch), _full_precision(model):
        for row in rows:
            ids = torch.as_tensor(row, device=device).reshape(1, -1)
            if ids.shape[1]:
                read += ids.shape[1]
                model.model(input_ids=ids, use_cache=False)
    if not read:
        raise ValueError(
            "The calibration rows hold no token. Pass rows of token ids, or no calibration."
        )
    for name, norm in norms.items():
        overall = products[name].sum() / energies[name].sum().clamp_min(torch.finfo().tiny)
        fitted = products[name] / energies[name]
        # A channel that was always 0 says nothing about its weight.
        norm.weight.copy_(torch.where(energies[name] > 0, fitted, overall))


def sub_norms(model: nn.Module) -> dict[str, BitNetRMSNorm]:
    """The norms before `o_proj` and `down_proj`, by full name."""
    return {
        name: module
        for name, module in model.named_modules()
        if name.endswith(("attn_sub_norm", "ffn_sub_norm"))
    }


@contextmanager
def sub_norms_left_out(model: nn.Module, watch: Watch | None = None) -> Iterator[None]:
    """Inside, the model computes as if it had no sub-norms.

    Args:
        model: The model.
        watch: Called with the name of each sub-norm and what it is given.
    """

    def pass_through(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            x: Tensor = args[0]
            if watch is not None:
                watch(name, x)
            return x

        return hook

    hooks = [
        norm.register_forward_hook(pass_through(name)) for name, norm in sub_norms(model).items()
    ]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def evaluation_mode(*models: nn.Module) -> Iterator[None]:
    """Inside, every module is in evaluation mode; on leaving, each is in the mode it was in."""
    modes = {module: module.training for model in models for module in model.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _full_precision(model: nn.Module) -> Iterator[None]:
    """Inside, latent weights are used as they are; weights on the grid stay ternary, and nothing drops out."""
    layers = [layer for layer in ternary_layers(model).values() if not layer.on_grid]
    strengths = [layer.quantization_strength for layer in layers]
    with evaluation_mode(model):
        for layer in layers:
            layer.training, layer.quantization_strength = (
                True,
                0.0,
            )  # λ counts in training mode only
        try:
            yield
        finally:
            for layer, strength in zip(layers, strengths, strict=True):
                layer.quantization_strength = strength
