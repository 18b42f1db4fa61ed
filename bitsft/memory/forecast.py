"""`predict_memory`: the peak memory of a training, by part, before anything is loaded.

A training step has five moments that can be its largest. With L decoder layers, everything in bytes, above what lies in memory
all the time (weights, held codes, adapters, the optimizer's state):

    output head      saved(L) + tiles                                                            head.py
    last layer       saved(L) + transient + gradient of the head                                decoder.py
    first layer      saved(1) + transient + gradients of the other L - 1 layers and of the head
    embedding        all gradients, and for a tied head a second one of its size: those of both uses meet here
    optimizer step   all gradients + what the optimizer computes in beside them

The largest is the peak; what is alive then makes the parts. A bfloat16 head that is trained has its gradient in float32 first.

Limits: one process, no DeepSpeed or FSDP; rows of full length without padding; no gradient accumulation (which keeps the
gradients through the next forward pass: add them to the head's moment), no evaluation, no saving. On a GPU nothing was
measured: allocators and libraries keep more there than tensors need.
"""

import os
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from bitsft.memory.decoder import DecoderBytes, decoder_bytes, outline
from bitsft.memory.head import head_bytes
from bitsft.memory.kept import KeptBytes
from bitsft.memory.methods import method_named
from bitsft.memory.optimizer_state import LATENT_FREE
from bitsft.ternary.packed_linear import check_codes_in_memory

RUNTIME_BYTES = {"cpu": 500_000_000, "cuda": 600_000_000}
"""Python with its libraries (measured, benchmarks/memory.py), and a CUDA context with those on the GPU (not measured)."""

_TRACED_TOKENS = (128, 512, 1024)
"""More tokens are not traced but lie on the line through the last two: the blocks that a CPU's kernels work in are full by
then, and a trace takes time for each block."""

PARTS = (
    "ternary weights",
    "held codes",
    "dense weights",
    "adapters",
    "optimizer state",
    "teacher",
    "gradients",
    "activations",
    "temporary",
)
"""What a forecast tells apart, in the order of the table."""


@dataclass(frozen=True)
class MemoryForecast:
    """What a training will need at its largest moment.

    Attributes:
        model: Path or name of the model.
        method: One of `METHODS`.
        batch_size: Rows of a batch.
        length: Tokens of a row.
        gradient_checkpointing: Whether activations are recomputed.
        device: "cpu" or "cuda".
        moment: Which one is the largest.
        parts: Bytes by part at that moment.
        moments: Bytes of each moment, all parts together.
        base_weights: Number of the weights of the ternary (or quantized, or dense) linear layers.
        runtime: Bytes of the process without a training.
    """

    model: str
    method: str
    batch_size: int
    length: int
    gradient_checkpointing: bool
    device: str
    moment: str
    parts: Mapping[str, int]
    moments: Mapping[str, int]
    base_weights: int
    runtime: int

    @property
    def peak(self) -> int:
        """Bytes of all tensors at the largest moment."""
        return sum(self.parts.values())

    @property
    def total(self) -> int:
        """The peak and the runtime's own: what has to be free."""
        return self.peak + self.runtime

    @property
    def base_bytes_a_weight(self) -> float:
        """Bytes that a weight of the linear layers occupies, held codes included."""
        kept = self.parts["ternary weights"] + self.parts["held codes"]
        return kept / max(1, self.base_weights)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {"parts": dict(self.parts), "moments": dict(self.moments)}
        values |= {"peak": self.peak, "total": self.total}
        return {**values, "base_bytes_a_weight": round(self.base_bytes_a_weight, 4)}


def predict_memory(
    model: str | os.PathLike[str] | PreTrainedConfig | PreTrainedModel,
    method: str = "latent",
    batch_size: int = 1,
    length: int = 1024,
    *,
    gradient_checkpointing: bool = True,
    optim: str | None = None,
    rank: int = 16,
    dtype: torch.dtype | None = None,
    teacher: str | os.PathLike[str] | PreTrainedConfig | None = None,
    codes_in_memory: str = "packed",
    device: str = "cpu",
    trust_remote_code: bool = False,
) -> MemoryForecast:
    """Predict the peak memory of a training; of the model only config.json is read.

    Args:
        model: A folder, a Hub id, a config, or a model object (its config is used).
        method: `"latent"`, `"latent-8bit"`, `"stochastic"`, `"lora-packed"`, `"qlora"` or `"lora"` (methods.py).
        batch_size: Rows of a batch (`per_device_train_batch_size`).
        length: Tokens of a row (`max_length`).
        gradient_checkpointing: Whether activations are recomputed. Default True, as in TRL.
        optim: A value of `TrainingArguments.optim`. Default: the method's.
        rank: Of the adapters (`LoraConfig.r`).
        dtype: The model is loaded in. Default: the method's, float32 for latent weights, else bfloat16.
        teacher: A model that is loaded beside it in bfloat16, for distillation; only its weights count.
        codes_in_memory: `"packed"` or `"int8"`; counts for `"lora-packed"`.
        device: `"cpu"` or `"cuda"`.
        trust_remote_code: Whether code that lies with the model may run.

    Returns:
        The forecast, in bytes: `peak` and its `parts` at the largest `moment`, and all `moments`.

    Raises:
        ValueError: A method, an optimizer, a device or `codes_in_memory` that is not known; a batch size, a length or a rank
            below 1; a model without linear layers that could be ternary.
        OSError: There is no config.json.
    """
    predictor = Predictor(
        model,
        method,
        gradient_checkpointing=gradient_checkpointing,
        optim=optim,
        rank=rank,
        dtype=dtype,
        teacher=teacher,
        codes_in_memory=codes_in_memory,
        device=device,
        trust_remote_code=trust_remote_code,
    )
    return predictor.forecast(batch_size, length)


class Predictor:
    """Forecasts for one model and one way to train it; the arguments are those of `predict_memory`."""

    def __init__(
        self,
        model: str | os.PathLike[str] | PreTrainedConfig | PreTrainedModel,
        method: str,
        *,
        gradient_checkpointing: bool = True,
        optim: str | None = None,
        rank: int = 16,
        dtype: torch.dtype | None = None,
        teacher: str | os.PathLike[str] | PreTrainedConfig | None = None,
        codes_in_memory: str = "packed",
        device: str = "cpu",
        trust_remote_code: bool = False,
    ) -> None:
        chosen = method_named(method)
        if rank < 1:
            raise ValueError(f"rank is {rank}; it is 1 or more.")
        if device not in RUNTIME_BYTES:
            raise ValueError(f"device is {device!r}; use 'cpu' or 'cuda'.")
        check_codes_in_memory(codes_in_memory)
        if optim is not None and chosen.optim == LATENT_FREE:
            raise ValueError(
                f"optim is {optim!r}, but method='stochastic' brings its own optimizer. Leave it out."
            )
        self._method_name = method
        self._method = replace(chosen, optim=optim or chosen.optim, dtype=dtype or chosen.dtype)
        self._config, self._name = read_config(model, trust_remote_code)
        self._weights = KeptBytes(self._config, self._method, rank, codes_in_memory)
        self._checkpointing, self._rank, self._device = gradient_checkpointing, rank, device
        self._teacher = 0
        if teacher is not None:
            of_teacher, _ = read_config(teacher, trust_remote_code)
            self._teacher = sum(
                2 * p.numel() for p in outline(of_teacher, torch.bfloat16).parameters()
            )
        self._traces: dict[int, DecoderBytes] = {}

    def forecast(self, batch_size: int, length: int) -> MemoryForecast:
        """For a batch of this size; see `predict_memory`."""
        for name, value in {"batch_size": batch_size, "length": length}.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it is 1 or more.")
        if batch_size * length <= _TRACED_TOKENS[-1]:
            return self._forecast(batch_size, length, self._traced(batch_size, length))
        return self.rough_forecast(batch_size, length)

    def rough_forecast(self, batch_size: int, length: int) -> MemoryForecast:
        """The same from a few traces for all sizes; bytes are taken to grow evenly with the tokens between and beyond."""
        place = bisect_left(_TRACED_TOKENS[1:-1], batch_size * length)
        few, many = _TRACED_TOKENS[place : place + 2]
        for tokens in (few, many):
            if tokens not in self._traces:
                self._traces[tokens] = self._traced(1, tokens)
        share = (batch_size * length - few) / (many - few)
        decoder = self._traces[few].at(self._traces[many], share)
        return self._forecast(batch_size, length, decoder)

    def _traced(self, batch_size: int, length: int) -> DecoderBytes:
        return decoder_bytes(
            self._config,
            self._method,
            batch_size,
            length,
            gradient_checkpointing=self._checkpointing,
            rank=self._rank,
        )

    def _forecast(self, batch_size: int, length: int, decoder: DecoderBytes) -> MemoryForecast:
        kept = self._weights
        on_cpu = self._device == "cpu"
        head = head_bytes(
            batch_size * (length - 1),
            kept.hidden,
            kept.vocabulary,
            head_itemsize=self._method.dtype.itemsize,
            is_trained=not self._method.has_adapters,
            narrow_tiles=self._method.fused_head_in_narrow_tiles,
            on_cpu=on_cpu,
        )
        saved, first = decoder.saved(kept.layers), decoder.saved_at_all
        one_layer = kept.layer_gradients
        passing = max(0, decoder.transient - one_layer)
        second = kept.head_gradient if kept.is_tied else 0
        # gradients, activations, temporary
        alive = {
            "output head": (head.gradient, saved, head.tiles),
            "last layer": (kept.head_gradient + one_layer, saved, passing),
            "first layer": (kept.head_gradient + kept.layers * one_layer, first, passing),
            "embedding": (kept.gradients, 0, second),
            "optimizer step": (kept.gradients, 0, kept.step_temporaries(on_cpu)),
        }
        always = (
            kept.ternary,
            kept.codes,
            kept.dense,
            kept.adapters,
            kept.optimizer,
            self._teacher,
        )
        moments = {name: sum(always) + sum(parts) for name, parts in alive.items()}
        moment = max(moments, key=lambda name: moments[name])
        return MemoryForecast(
            model=self._name,
            method=self._method_name,
            batch_size=batch_size,
            length=length,
            gradient_checkpointing=self._checkpointing,
            device=self._device,
            moment=moment,
            parts=MappingProxyType(dict(zip(PARTS, (*always, *alive[moment]), strict=True))),
            moments=MappingProxyType(moments),
            base_weights=kept.linear_weights,
            runtime=RUNTIME_BYTES[self._device],
        )


def read_config(model: Any, trust_remote_code: bool) -> tuple[PreTrainedConfig, str]:
    """The config of whatever names a model, and what to call it."""
    if isinstance(model, PreTrainedModel):
        model = model.config
    if isinstance(model, PreTrainedConfig):
        return model, model.name_or_path or model.model_type
    if os.path.isdir(model) and not os.path.isfile(os.path.join(model, "config.json")):
        raise FileNotFoundError(f"{os.fspath(model)} has no config.json; pass a model's folder.")
    config = AutoConfig.from_pretrained(model, trust_remote_code=trust_remote_code)
    return config, os.fspath(model)
