"""The GPU benchmark: one command, a table, and JSON beside this file.

    python benchmarks/gpu/run.py
    python benchmarks/gpu/run.py --quick          # smallest sizes, to see whether it runs
    python benchmarks/gpu/run.py --sections steps decoding

Each section runs in a process of its own and writes its rows as it goes: one that is late is ended when its share of the
time is used up, with a note, and one that brings the GPU into disorder takes nobody along. Time that a section leaves
goes to the ones after it. README.md says what the columns mean.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SECTIONS = {"peaks": 0.06, "steps": 0.37, "decoding": 0.17, "kernels": 0.15, "layers": 0.25}
"""Shares of the time, in the order in which they run: what the wanted numbers are about comes first."""

GRACE = 0.85
"""Part of its share after which a section begins nothing new; the rest is for what it has begun."""

WANTED = (  # key of a summary, text, number, whether it is a lower bound
    ("step_against_dense", "training step, bitsft / dense bf16, both compiled", 1.15, True),
    ("step_against_onebitllms", "training step, bitsft / onebitllms", 2.0, True),
    ("step_against_torchao", "training step, bitsft / torchao bitnet_training", 1.05, True),
    ("int8_share_of_peak", "int8 forward kernel, share of the int8 peak at 8192³", 0.7, True),
    ("decode_against_dense", "decode, batch 1, packed / dense bf16", 2.5, True),
    ("memory_against_dense", "peak memory of a step, bitsft / dense bf16", 0.9, False),
)


def work(specification: dict[str, Any]) -> None:
    """One section, in its own process."""
    from timing import Session, describe_gpu

    session = Session(specification)
    name = specification["section"]
    if name == "peaks":
        from each_kernel import peaks

        session.summary(machine=describe_gpu(session.device))
        peaks(session)
    elif name == "kernels":
        from each_kernel import kernels

        kernels(session)
    elif name == "layers":
        from layers import layers

        layers(session)
    elif name == "steps":
        from steps import steps

        steps(session)
    else:
        from decoding import decoding

        decoding(session)


def section(
    name: str, seconds: float, parsed: argparse.Namespace, peaks: dict[str, float]
) -> dict[str, Any]:
    """Run a section in a process; what it wrote, and how it ended if not well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        specification = {
            "section": name,
            "device": parsed.device,
            "quick": parsed.quick,
            "seconds": GRACE * seconds,
            "path": str(path),
            "peaks": peaks,
        }
        start = time.monotonic()
        process = subprocess.Popen([sys.executable, __file__, "--work", json.dumps(specification)])
        try:
            status = process.wait(timeout=seconds)
            ended = None if status == 0 else f"ended with status {status}; see its last lines above"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = f"cut off after {seconds:.0f} s, its share of the time"
        result = {"rows": [], "notes": []}
        if path.exists():
            result = json.loads(path.read_text())
        if ended:
            result["notes"].append(ended)
            print(f"  note: {ended}", flush=True)
        result["seconds"] = round(time.monotonic() - start, 1)
        return result


def wanted_numbers(sections: dict[str, Any], quick: bool) -> list[dict[str, Any]]:
    measured: dict[str, Any] = {}
    for result in sections.values():
        measured |= result.get("summary", {})
    rows = []
    for key, text, number, at_least in WANTED:
        value = measured.get(key)
        reached = None
        if value is not None and not quick:  # smallest sizes say nothing
            reached = value >= number if at_least else value <= number
        rows.append(
            {
                "name": key,
                "text": text,
                "wanted": number,
                "is": "at least" if at_least else "at most",
                "measured": value,
                "reached": reached,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smallest sizes; no number counts")
    parser.add_argument("--minutes", type=float, default=9.5, help="for everything")
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    # Without CUDA events, to try the scripts where there is no GPU; tests do.
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.work is not None:
        work(parsed.work)
        return
    import torch

    if parsed.device == "cuda" and not torch.cuda.is_available():
        sys.exit("This benchmark needs an NVIDIA GPU: torch.cuda.is_available() is False here.")
    if parsed.device == "cpu" and not parsed.quick:
        sys.exit("--device cpu is for trying the scripts and goes with --quick only.")
    run(parsed)


def run(parsed: argparse.Namespace) -> None:
    names = [name for name in SECTIONS if name in parsed.sections]
    end = time.monotonic() + 60 * parsed.minutes
    peaks: dict[str, float] = {}
    report: dict[str, Any] = {"quick": parsed.quick, "machine": None, "wanted": [], "sections": {}}
    for place, name in enumerate(names):
        shares = sum(SECTIONS[later] for later in names[place:])
        seconds = (end - time.monotonic()) * SECTIONS[name] / shares
        print(f"\n{name}, at most {seconds:.0f} s", flush=True)
        result = section(name, seconds, parsed, peaks)
        report["sections"][name] = result
        if name == "peaks":
            summary = result.get("summary", {})
            report["machine"] = summary.pop("machine", None)
            peaks = summary
        report["wanted"] = wanted_numbers(report["sections"], parsed.quick)
        parsed.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print()
    for row in report["wanted"]:
        value = "not measured" if row["measured"] is None else f"{row['measured']:.3f}"
        reached = {None: "", True: "reached", False: "not reached"}[row["reached"]]
        print(f"{row['text']:56}{row['is']} {row['wanted']:<6} {value:>12}  {reached}")
    print(f"written: {parsed.json.name}")


if __name__ == "__main__":
    main()
