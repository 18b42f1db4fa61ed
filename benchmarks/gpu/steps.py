"""A whole training step: forward, loss, backward, fused AdamW; and its peak memory.

A Llama of the layers of 2B-4T (hidden 2560, MLP 6912, 20 heads of 128, 5 for keys and values), 6 of its 30 layers; the
vocabulary is cut by the same factor (128256 to 25600), so that head and layers keep their proportion. Sequences of
2,048 tokens, no gradient checkpointing. Everybody has the same compiled head and loss; `compiled` means that each decoder
layer is. bitsft quantizes the weights once a step, as its trainer does.

Memory is what `torch.cuda.max_memory_allocated` rises by during a step, above what was allocated before the contestant
was built: weights, optimizer, gradients and activations.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from contestants import CONTESTANTS, Contestant, clear_compiler, compile_backend
from timing import Session, in_one_line, quartiles
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.ternary import hold_codes

CASES = (("bf16", 2, 2048), ("bf16", 16, 2048), ("float32, bf16 autocast", 2, 2048))
"""Weights, sequences, tokens of a sequence; the first is the one that the wanted numbers are about."""


def steps(session: Session) -> None:
    """The cases in their order."""
    if session.device == "cuda":
        torch._dynamo.config.recompile_limit = 64  # the contestants share one code object
    cases = (("bf16", 1, 16),) if session.quick else CASES
    shares = (0.6, 0.85, 1.0) if len(cases) == 3 else (1.0,)
    total = session.left()
    for number, (weights, sequences, length) in enumerate(cases):
        until = total * (1 - shares[number])
        if session.left() - until < 20 and not session.quick:
            session.note(f"{weights}, {sequences * length} tokens left out: no time")
            continue
        clear_compiler(session.device)
        _measure(session, weights, sequences, length, until, main=number == 0)


def _model(quick: bool, device: str, dtype: torch.dtype) -> LlamaForCausalLM:
    sizes = {"hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 6}
    sizes |= {"num_attention_heads": 20, "num_key_value_heads": 5, "vocab_size": 25600}
    if quick:
        sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
        sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 128}
    config = LlamaConfig(
        **sizes,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return LlamaForCausalLM(config).to(dtype)


def _loss(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    logits = F.linear(hidden[:, :-1], weight.to(hidden.dtype)).float()
    return F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())


def _step(
    session: Session,
    contestant: Contestant,
    autocast: bool,
    tokens: Tensor,
    resources: ExitStack,
) -> Callable[[], dict[str, float]]:
    device = session.device
    model = _model(session.quick, device, torch.float32 if autocast else torch.bfloat16)
    if contestant.convert is not None:
        contestant.convert(model)
    if contestant.label.startswith("bitsft"):
        resources.enter_context(hold_codes(model))
    model.train()
    options: dict[str, Any] = {"dynamic": False, "backend": compile_backend(device)}
    loss_of = torch.compile(_loss, **options)
    if contestant.compiled:
        for layer in model.model.layers:
            layer.compile(**options)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def forward(_: Any) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
            return loss_of(hidden, model.lm_head.weight, tokens)

    def update(_: Any) -> None:
        optimizer.step()
        optimizer.zero_grad()

    def step() -> dict[str, float]:
        contestant.choose_gradients(device)
        times = session.stages([forward, Tensor.backward, update])
        return {
            **dict(zip(("forward", "backward", "update"), times, strict=True)),
            "step": sum(times),
        }

    return step


def _measure(
    session: Session, weights: str, sequences: int, length: int, until: float, main: bool
) -> None:
    device = session.device
    vocabulary = 128 if session.quick else 25600
    tokens = torch.randint(3, vocabulary, (sequences, length), device=device)
    print(f"  {weights} weights, {sequences} x {length} tokens", flush=True)
    jobs: dict[str, Callable[[], dict[str, float]]] = {}
    errors: dict[str, str] = {}
    memory: dict[str, float] = {}
    with ExitStack() as resources:
        for name, contestant in CONTESTANTS.items():
            started = session.left()
            if started - until < 20 and not session.quick:
                errors[name] = "left out: no time"
                continue
            try:
                before = torch.cuda.memory_allocated() if device == "cuda" else 0
                with session.at_most(min(60.0, started - until - 10)):
                    job = _step(session, contestant, "autocast" in weights, tokens, resources)
                    for _ in range(1 if session.quick else 3):
                        job()  # compiles and tunes
                memory[name] = _peak_of(session, job, before)
            except Exception as error:  # a competitor that does not work says so in its row
                errors[name] = in_one_line(error)
                continue
            jobs[name] = job
        timed, failed = session.turns(jobs, min(20.0, session.left() - until - 5))
    errors |= failed
    for name, contestant in CONTESTANTS.items():
        row: dict[str, Any] = {"name": name, "label": contestant.label, "weights": weights}
        row["tokens"] = sequences * length
        if name in errors:
            session.add({**row, "error": errors[name]}, f"  {row['label']:42}{errors[name]}")
            continue
        for part in ("forward", "backward", "update", "step"):
            row[f"{part}_ms"] = quartiles([result[part] for result in timed[name]])
        row["tokens_per_second"] = round(1e3 * row["tokens"] / row["step_ms"][1])
        row["peak_memory_gb"] = round(memory[name] / 1e9, 3)
        if "dense" in timed:
            row["speed_against_dense"] = _ratio(timed["dense"], timed[name])
            if memory["dense"]:
                row["memory_against_dense"] = round(memory[name] / memory["dense"], 3)
        session.add(row, _line(row))
    if main:
        _summarize(session, timed, memory)


def _peak_of(session: Session, job: Callable[[], Any], before: int) -> float:
    if session.device != "cuda":
        return 0.0
    session.wait()
    torch.cuda.reset_peak_memory_stats()
    job()
    session.wait()
    return float(torch.cuda.max_memory_allocated() - before)


def _ratio(theirs: list[Any], ours: list[Any]) -> list[float]:
    return quartiles([t["step"] / o["step"] for t, o in zip(theirs, ours, strict=True)], 3)


def _summarize(session: Session, timed: dict[str, list[Any]], memory: dict[str, float]) -> None:
    """The faster of bitsft's compiled variants against the faster variant of each peer."""

    def fastest(*names: str) -> str | None:
        known = [name for name in names if name in timed]
        medians = {n: quartiles([r["step"] for r in timed[n]])[1] for n in known}
        return min(medians, key=medians.__getitem__) if medians else None

    ours = fastest("bitsft", "bitsft-fused")
    if ours is None:
        return
    session.summary(step_of=ours)
    for key, peer in (
        ("step_against_dense", fastest("dense")),
        ("step_against_onebitllms", fastest("onebitllms", "onebitllms-compiled")),
        ("step_against_torchao", fastest("torchao")),
    ):
        if peer is not None:
            session.summary(**{key: _ratio(timed[peer], timed[ours])[1]})
    if memory.get("dense"):
        session.summary(memory_against_dense=round(memory[ours] / memory["dense"], 3))


def _line(row: dict[str, Any]) -> str:
    parts = "".join(
        f" {part} {row[f'{part}_ms'][1]:8.2f}" for part in ("forward", "backward", "update", "step")
    )
    speed = row.get("speed_against_dense", [float("nan")] * 3)
    return f"  {row['label']:42}{parts} ms, {row['peak_memory_gb']:.2f} GB, {speed[1]:.2f} of dense"
