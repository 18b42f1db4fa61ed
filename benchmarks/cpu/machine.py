"""What the benchmarks here share: the machine's description, taking turns, workers, memory, medians.

A comparison counts only between numbers of one run in which the competitors took turns, so everything here works
in rounds: each competitor once, then the next round. A ratio is formed within a round and its quartiles over the
rounds; what slows a whole round down drops out.

Needs Linux (/proc) for the memory. Sets nothing in the calling process.
"""

import ctypes
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

GIVE_BACK = (("MALLOC_MMAP_THRESHOLD_", "65536"),)
"""Environment of a process whose memory is measured: glibc returns to the system whatever above 64 KiB is freed.

By default it keeps up to 32 MiB each, so that the resident set is the heap's history; and what it kept before the
threshold is set is reused and kept, so this has to hold from the start. It costs time: such a process is not timed.
"""


def describe_machine(threads: int) -> dict[str, Any]:
    """Processor, memory, load and versions; `threads` is what the measured processes use."""
    import torch

    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    flags = next(
        (line.split(":", 1)[1].split() for line in cpuinfo if line.startswith("flags")), []
    )
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16")
    packages = {}
    for package in ("torch", "transformers", "trl", "accelerate", "torchao", "bitlinear"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "not installed"
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "instructions": [flag for flag in wanted if flag in flags],
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gb": round(memory_of_machine("MemTotal") / 1e9, 1),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": packages,
    }


def memory_of_machine(field: str) -> int:
    """Bytes; `field` is a line of /proc/meminfo."""
    return _kilobytes(Path("/proc/meminfo"), field)


def resident(field: str = "VmRSS") -> int:
    """Bytes of this process now (`VmRSS`) or at most since the last reset (`VmHWM`)."""
    return _kilobytes(Path("/proc/self/status"), field)


def _kilobytes(file: Path, field: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{file} has no {field}; this benchmark needs Linux.")


def reset_peak() -> int:
    """Let `resident("VmHWM")` start from now; returns the bytes resident now. See `GIVE_BACK`."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident()


def quartiles(values: Sequence[float], digits: int = 4) -> list[float]:
    """25 %, median, 75 %; one value stands for all three."""
    if len(values) == 1:
        return [round(values[0], digits)] * 3
    return [round(q, digits) for q in statistics.quantiles(values, n=4, method="inclusive")]


def ratio(times: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Quartiles of times / reference, round by round: how many times faster the reference was."""
    return quartiles([t / r for t, r in zip(times, reference, strict=True)], 3)


def take_turns(
    jobs: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int, warm_up: int
) -> dict[str, list[Mapping[str, float]]]:
    """Each job once a round; the order turns by one from round to round; the first `warm_up` rounds are dropped."""
    results: dict[str, list[Mapping[str, float]]] = {name: [] for name in jobs}
    names = list(jobs)
    for number in range(warm_up + rounds):
        start = number % len(names) if names else 0
        for name in names[start:] + names[:start]:
            result = jobs[name]()
            if number >= warm_up:
                results[name].append(result)
    return results


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class WorkerError(RuntimeError):
    """A worker ended or said that it cannot go on; the message is one line for the table."""


class Worker:
    """A competitor in a process of its own that computes only while it is asked to.

    Args:
        script: The Python file; started with `--worker` and the specification as JSON.
        specification: What the worker is to set up.
        threads: OMP_NUM_THREADS of the process.
        environment: Further environment variables.
    """

    def __init__(
        self,
        script: str,
        specification: Mapping[str, Any],
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the worker)
        self._process = subprocess.Popen(
            [sys.executable, script, "--worker", json.dumps(specification)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
                **(environment or {}),
            },
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request, wait for its answer.

        Raises:
            WorkerError: The worker ended, or answered with an error.
        """
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer, or its absence, says why
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer; see `ask`."""
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:] or ["no message"]
            raise WorkerError(f"the process ended with status {status}: {last[0]}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def end(self) -> None:
        self._process.kill()  # by its own handle: it holds nothing that would need saving
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


def answers_to_parent() -> TextIO:
    """For a worker: the stream for answers; whatever else prints goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written: {path.name}")
