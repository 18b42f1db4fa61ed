"""One linear layer, forward and backward, bf16 weights and activations; the contestants take turns.

TFLOP/s count 2·tokens·out·in operations for the forward and twice as many for the backward pass. The share is of the
measured peak of the unit that the library uses: int8 for bitsft's and torchao's forward, bf16 for everything else.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from contestants import OF_A_LAYER, clear_compiler, compile_backend, make_layer
from timing import Session, in_one_line, quartiles, seeded

SHAPES = {  # out, in; the same as in cpu/layer.py, the widest first
    "2B-4T": ((6912, 2560), (2560, 6912), (2560, 2560), (640, 2560)),
    "Falcon-E-1B": ((8192, 2048), (2048, 8192), (2048, 2048), (1024, 2048)),
    "Llama-3-8B": ((14336, 4096), (4096, 14336), (4096, 4096), (1024, 4096)),
}
TOKENS = (4096, 32768)
INT8_FORWARD = ("bitsft", "bitsft-fused", "torchao")


def layers(session: Session) -> None:
    """Models in turn, at each the wide shapes first: what is cut off is what matters least."""
    cases = [
        (model, tokens, shape)
        for number in range(len(SHAPES["2B-4T"]))
        for tokens in TOKENS
        for model, shape in ((model, shapes[number]) for model, shapes in SHAPES.items())
    ]
    if session.quick:
        cases = [("tiny", 8, (32, 16))]
    longest = 0.0
    for place, (model, tokens, (out, width)) in enumerate(cases):
        before = session.left()
        if before < max(3.0, 1.2 * longest):
            left_out = "; ".join(f"{m} {s[0]}x{s[1]}, {t} tokens" for m, t, s in cases[place:])
            session.note(f"left out, no time: {left_out}")
            return
        _measure(session, model, tokens, out, width, before / (len(cases) - place))
        longest = max(longest, before - session.left())


def _measure(session: Session, model: str, tokens: int, out: int, width: int, share: float) -> None:
    device = session.device
    clear_compiler(device)
    weight = seeded(out, width, device=device) * 0.02
    x = seeded(1, tokens, width, device=device).requires_grad_()
    grad = seeded(1, tokens, out, device=device)
    errors: dict[str, str] = {}
    jobs: dict[str, Callable[[], dict[str, float]]] = {}
    print(f"  {model} {out}x{width}, {tokens} tokens", flush=True)
    with ExitStack() as resources:
        for name, contestant in OF_A_LAYER.items():
            try:
                with session.at_most(min(30.0, session.left() - 2)):
                    layer = make_layer(name, weight, resources, compile_backend(device))
                    job = _job(session, contestant, layer, x, grad)
                    for _ in range(2):
                        job()  # compiles and tunes
            except Exception as error:  # a competitor that does not work says so in its row
                errors[name] = in_one_line(error)
                continue
            jobs[name] = job
        timed, failed = session.turns(jobs, min(share / 3, 4.0))
    errors |= failed
    operations = 2 * tokens * out * width
    for name, contestant in OF_A_LAYER.items():
        row: dict[str, Any] = {"name": name, "label": contestant.label, "model": model}
        row |= {"out": out, "in": width, "tokens": tokens}
        if name in errors:
            session.add({**row, "error": errors[name]}, f"  {row['label']:42}{errors[name]}")
            continue
        for part, factor in (("forward", 1), ("backward", 2), ("both", 3)):
            times = quartiles([result[part] for result in timed[name]])
            row[f"{part}_ms"] = times
            row[f"{part}_tflops"] = round(factor * operations / max(times[1], 1e-9) / 1e9, 3)
        unit = "int8_tops" if name in INT8_FORWARD else "bf16_tflops"
        row["forward_unit"] = unit
        for part, peak in (("forward", unit), ("backward", "bf16_tflops")):
            if session.peaks.get(peak):
                row[f"{part}_share"] = round(row[f"{part}_tflops"] / session.peaks[peak], 3)
        if "dense" in timed:
            pairs = zip(timed["dense"], timed[name], strict=True)
            row["speed_against_dense"] = quartiles([d["both"] / r["both"] for d, r in pairs], 3)
        session.add(row, _line(row))


def _job(
    session: Session, contestant: Any, layer: Any, x: torch.Tensor, grad: torch.Tensor
) -> Callable[[], dict[str, float]]:
    def job() -> dict[str, float]:
        contestant.choose_gradients(session.device)
        x.grad = None
        layer.zero_grad()
        forward, backward = session.stages([lambda _: layer(x), lambda y: y.backward(grad)])
        return {"forward": forward, "backward": backward, "both": forward + backward}

    return job


def _line(row: dict[str, Any]) -> str:
    parts = "".join(
        f" {row[f'{part}_ms'][1]:9.3f} ms {row[f'{part}_tflops']:7.1f} T"
        for part in ("forward", "backward")
    )
    speed = row.get("speed_against_dense", [float("nan")] * 3)
    return f"  {row['label']:42}{parts}   {speed[1]:.2f} of dense ({speed[0]:.2f}-{speed[2]:.2f})"
