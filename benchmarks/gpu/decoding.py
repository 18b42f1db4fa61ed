"""Decoding at batch 1 with a static cache: tokens/s of dense bf16 and of packed ternary layers.

A decoder written out here, with all 30 layers of 2B-4T (hidden 2560, MLP 6912, 20 heads of 128, 5 for keys and values,
vocabulary 128256, tied head), because one step of it has no other work on the CPU than the launches, and those are
recorded in a CUDA graph. Both variants are the same code: only the linear layers are replaced. Each layer is compiled;
the graph holds one whole greedy step, which writes the next token and position to where the next replay reads them.

Weights are random and what is generated means nothing; time does not depend on it.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from contestants import compile_backend
from timing import Session, in_one_line, quartiles
from torch import Tensor, nn

from bitsft.ternary import replace_linear_with_bitlinear

CONTEXT = 512
"""Places in the cache; a run starts at the first again."""


class Layer(nn.Module):
    """A Llama layer that reads one token."""

    def __init__(self, hidden: int, mlp: int, heads: int, shared_heads: int, context: int) -> None:
        super().__init__()
        self.size = hidden // heads
        self.shared_heads = shared_heads
        narrow = shared_heads * self.size
        self.q, self.o = (nn.Linear(hidden, hidden, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(hidden, narrow, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(hidden, mlp, bias=False) for _ in range(2))
        self.down = nn.Linear(mlp, hidden, bias=False)
        self.attention_norm, self.mlp_norm = nn.RMSNorm(hidden), nn.RMSNorm(hidden)
        self.register_buffer("keys", torch.zeros(1, shared_heads, context, self.size))
        self.register_buffer("values", torch.zeros(1, shared_heads, context, self.size))

    def forward(
        self, x: Tensor, position: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor
    ) -> Tensor:
        h = self.attention_norm(x)
        # Queries that share keys stand together, so that no key is copied.
        q = self.q(h).view(1, self.shared_heads, -1, self.size)
        k, v = (layer(h).view(1, self.shared_heads, 1, self.size) for layer in (self.k, self.v))
        self.keys.index_copy_(2, position, _rotated(k, rotation))
        self.values.index_copy_(2, position, v)
        scores = _rotated(q, rotation) @ self.keys.transpose(-1, -2) * self.size**-0.5
        chances = scores.float().masked_fill(~mask, float("-inf")).softmax(-1)
        x = x + self.o((chances.to(x.dtype) @ self.values).reshape(1, 1, -1))
        h = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    cos, sin = rotation
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Decoder(nn.Module):
    """Token and position in, both advanced in place by a greedy step."""

    def __init__(self, quick: bool) -> None:
        super().__init__()
        hidden, mlp, heads, shared, layers, words = 2560, 6912, 20, 5, 30, 128256
        if quick:
            hidden, mlp, heads, shared, layers, words = 64, 96, 4, 2, 2, 128
        context = 16 if quick else CONTEXT
        self.embedding = nn.Embedding(words, hidden)
        self.layers = nn.ModuleList(
            Layer(hidden, mlp, heads, shared, context) for _ in range(layers)
        )
        self.norm = nn.RMSNorm(hidden)
        angles = torch.outer(
            torch.arange(context), 1e-4 ** torch.linspace(0, 1, hidden // heads // 2)
        )
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.register_buffer("places", torch.arange(context), persistent=False)

    def forward(self, token: Tensor, position: Tensor) -> None:
        x = self.embedding(token)
        rotation = self.cos[position], self.sin[position]
        mask = (self.places <= position).view(1, 1, 1, -1)
        for layer in self.layers:
            x = layer(x, position, rotation, mask)
        logits = F.linear(self.norm(x), self.embedding.weight)
        token.copy_(logits.argmax(-1))
        position.add_(1).remainder_(len(self.places))


def _dense(model: nn.Module) -> None:
    pass


def _packed(model: nn.Module) -> None:
    from bitsft.ternary.packed_model import pack_model

    replace_linear_with_bitlinear(model)
    pack_model(model)


VARIANTS: dict[str, tuple[str, Callable[[nn.Module], None]]] = {
    "dense": ("dense bf16, compiled, CUDA graph", _dense),
    "bitsft": ("bitsft packed, compiled, CUDA graph", _packed),
}


def _steps(session: Session, convert: Callable[[nn.Module], None]) -> tuple[Any, int]:
    """A function that decodes one token, and the bytes that it has to read."""
    device = session.device
    torch.manual_seed(0)
    with torch.device(device):
        model = Decoder(session.quick).to(torch.bfloat16)
    convert(model)
    model.requires_grad_(False)
    for layer in model.layers:
        layer.compile(dynamic=False, backend=compile_backend(device))
    token = torch.ones(1, 1, dtype=torch.long, device=device)
    position = torch.zeros(1, dtype=torch.long, device=device)
    caches = ("keys", "values", "cos", "sin", "places")
    read = sum(p.nbytes for p in model.parameters()) + sum(
        b.nbytes for name, b in model.named_buffers() if name.rpartition(".")[2] not in caches
    )

    def step() -> None:
        with torch.no_grad():
            model(token, position)

    if device != "cuda":
        return step, read
    step()  # compiles and tunes, which must not happen while the graph is recorded
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay, read


def decoding(session: Session) -> None:
    """tokens/s, each variant in turn, 128 tokens at a time."""
    if session.device == "cuda":
        torch._dynamo.config.recompile_limit = 64
    length = 4 if session.quick else 128
    jobs: dict[str, Callable[[], dict[str, float]]] = {}
    errors: dict[str, str] = {}
    bytes_read: dict[str, int] = {}
    for name, (_, convert) in VARIANTS.items():
        try:
            with session.at_most(session.left() / 2):
                step, bytes_read[name] = _steps(session, convert)
                step()
        except Exception as error:  # the other one can still be measured
            errors[name] = in_one_line(error)
            continue

        def run(_: Any, step: Callable[[], None] = step) -> None:
            for _ in range(length):
                step()

        jobs[name] = lambda run=run: {"ms": session.stages([run])[0] / length}
    timed, failed = session.turns(jobs, min(15.0, session.left() - 5))
    errors |= failed
    for name, (label, _) in VARIANTS.items():
        row: dict[str, Any] = {"name": name, "label": label}
        if name in errors:
            session.add({**row, "error": errors[name]}, f"{label:42}{errors[name]}")
            continue
        row["ms_per_token"] = quartiles([result["ms"] for result in timed[name]])
        middle = row["ms_per_token"][1]
        row["tokens_per_second"] = round(1e3 / middle, 1)
        row["bytes_read_per_token"] = bytes_read[name]
        row["gb_per_second"] = round(bytes_read[name] / middle / 1e6, 1)
        if session.peaks.get("copy_gb_per_second"):
            row["share_of_copy"] = round(
                row["gb_per_second"] / session.peaks["copy_gb_per_second"], 3
            )
        session.add(
            row,
            f"{label:42}{middle:9.3f} ms a token, {row['tokens_per_second']:8.1f} tokens/s, "
            f"{row['gb_per_second']:.0f} GB/s",
        )
    if "dense" in timed and "bitsft" in timed:
        pairs = zip(timed["dense"], timed["bitsft"], strict=True)
        ratios = quartiles([d["ms"] / b["ms"] for d, b in pairs], 3)
        session.summary(decode_against_dense=ratios[1], decode_quartiles=ratios)
