"""What one decoder layer costs while it is trained, from a run of the real code that allocates nothing.

A decoder of one and of two layers, built from the config with the layers that the method trains (`BitLinear158`, packed codes, PEFT's LoRA
over them), goes forward and backward under `FakeTensorMode`; `LiveBytes` counts. So whatever the architecture saves for
backward, recomputes, or holds for a moment is counted and not guessed: sub-norms, grouped queries, autocast's copies.

    saved      bytes alive after the forward pass, above weights: saved(L) = saved(1) + (L - 1) · (saved(2) - saved(1))
    transient  the largest above `saved(1)` while the one layer goes backward, its gradients included

Limits: layers are taken to be alike; attention without a mask of its own (no padding); the kernels are those of a CPU. For
NF4 a stand-in takes the place of bitsandbytes' layer: a bfloat16 copy of the weight for the length of a product.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from bitsft.memory.live_bytes import LiveBytes, without_memory_
from bitsft.memory.methods import Method
from bitsft.ternary.held_codes import codes_at_each_use, hold_codes
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import PackedLinear158
from bitsft.ternary.replace import replace_linear_with_bitlinear

_WORDS = 16
"""Vocabulary of the traced decoder: embedding and head are counted by formula (head.py, forecast.py)."""


@dataclass(frozen=True)
class DecoderBytes:
    """Bytes above the weights, for one batch.

    Attributes:
        saved_at_all: After the forward pass of a one-layer decoder.
        saved_by_layer: What each further layer adds.
        transient: The largest above `saved_at_all` in the backward pass of one layer.
    """

    saved_at_all: int
    saved_by_layer: int
    transient: int

    def saved(self, layers: int) -> int:
        """After the forward pass of so many layers."""
        return self.saved_at_all + (layers - 1) * self.saved_by_layer

    def at(self, other: "DecoderBytes", place: float) -> "DecoderBytes":
        """On the line from here (0) through another (1): bytes grow with the tokens of a batch."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return DecoderBytes(*(round(here + place * (there - here)) for here, there in pairs))


def outline(config: PreTrainedConfig, dtype: torch.dtype, **changes: Any) -> PreTrainedModel:
    """A causal language model on the meta device.

    Args:
        config: Of the model; not changed.
        dtype: Of its tensors.
        changes: Values of the text model's config to be replaced.
    """
    config = copy.deepcopy(config)
    vars(config).pop("quantization_config", None)
    text = config.get_text_config()
    for name, value in changes.items():
        setattr(text, name, value)
    if "num_hidden_layers" in changes and getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[: changes["num_hidden_layers"]]
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model


def decoder_bytes(
    config: PreTrainedConfig,
    method: Method,
    batch_size: int,
    length: int,
    *,
    gradient_checkpointing: bool,
    rank: int,
) -> DecoderBytes:
    """Trace a decoder of one and of two layers.

    Args:
        config: Of the model.
        method: How it is trained.
        batch_size: Rows of a batch.
        length: Tokens of a row.
        gradient_checkpointing: Whether activations are recomputed.
        rank: Of the adapters, where there are any.
    """
    with torch.random.fork_rng(devices=[]):  # recomputation sets a state, which here means nothing
        one, two = (
            _traced(config, method, batch_size, length, gradient_checkpointing, rank, layers)
            for layers in (1, 2)
        )
    return DecoderBytes(one[0], two[0] - one[0], one[1] - one[0])


def _traced(
    config: PreTrainedConfig,
    method: Method,
    batch_size: int,
    length: int,
    gradient_checkpointing: bool,
    rank: int,
    layers: int,
) -> tuple[int, int]:
    """Bytes above the weights after forward, and the largest in backward."""
    changes = {"num_hidden_layers": layers, "vocab_size": _WORDS, "pad_token_id": None}
    model = outline(config, method.dtype, **changes)
    _with_layers_of(model, method, rank)
    if gradient_checkpointing:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # renamed in transformers 5.23
            model.gradient_checkpointing_enable()
        if method.has_adapters:
            model.enable_input_require_grads()
    model.train()
    live = LiveBytes()
    codes = codes_at_each_use if method.base == "on the grid" else hold_codes
    with _allocating_nothing(), codes(model):
        without_memory_(model)
        held = [layer.ternary() for layer in ternary_layers(model).values()]
        ids = torch.zeros(batch_size, length, dtype=torch.long)
        for tensor in [*model.parameters(), *model.buffers(), ids]:
            live.add(tensor)
        if method.base == "latent":
            for codes_of_layer, scale in held:
                live.add(codes_of_layer)
                live.add(scale)
        for layer in ternary_layers(model).values():
            layer.drop_codes()  # as after an optimizer step: the forward pass makes new ones beside the old
        held.clear()
        before = live.start()
        with live:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            saved = live.now - before
            live.start()
            hidden.backward(torch.empty_like(hidden))
        return saved, live.peak - before


@contextmanager
def _allocating_nothing() -> Iterator[None]:
    with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True):
        # held codes ask for the address of a weight, which is then 0 for all of them
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
        yield


def _with_layers_of(model: PreTrainedModel, method: Method, rank: int) -> None:
    """Give an outline the linear layers that the method trains with."""
    if method.base in ("latent", "on the grid"):
        replace_linear_with_bitlinear(model)
        return
    linear = ternary_names(model)
    for name in linear if method.base != "dense" else ():
        parent, _, child = name.rpartition(".")
        layer: Any = model.get_submodule(name)
        made: nn.Module
        if method.base == "packed":
            quarter = (-(-layer.out_features // 4), layer.in_features)
            packed = torch.empty(quarter, dtype=torch.uint8, device="meta")
            scale = torch.empty((), device="meta")
            made = PackedLinear158.from_packed(packed, scale, layer.bias, dtype=method.dtype)
        else:
            made = _Nf4Outline(layer)
        setattr(model.get_submodule(parent), child, made)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    from peft import LoraConfig, inject_adapter_in_model

    adapters = LoraConfig(r=rank, lora_dropout=0.05, target_modules=list(linear))
    inject_adapter_in_model(adapters, model)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(method.adapter_dtype)


def ternary_names(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers that are made ternary, or quantized, or get an adapter."""
    twin = copy.deepcopy(model)
    replace_linear_with_bitlinear(twin)
    return list(ternary_layers(twin))


class _Nf4Outline(nn.Linear):
    """Stands for bitsandbytes' `Linear4bit`: half a byte a weight, and a whole bfloat16 copy during a product."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        packed = torch.empty(linear.weight.numel() // 2, 1, dtype=torch.uint8, device="meta")
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return _Nf4Product.apply(x.to(torch.bfloat16), self.out_features).to(x.dtype)


class _Nf4Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, out_features: int) -> Tensor:
        ctx.shape = (out_features, x.shape[-1])
        return F.linear(x, x.new_empty(ctx.shape))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad @ grad.new_empty(ctx.shape), None
