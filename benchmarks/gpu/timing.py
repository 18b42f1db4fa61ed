"""Time on a GPU, the machine's description, and what a section of the benchmark writes and when it has to end.

GPU times are between CUDA events. Before the first event the GPU is told to wait, so that the CPU has queued the work when it
begins: what counts is the GPU's time, not the launches, unless the work itself waits for the CPU in between.

On a CPU (only to try the scripts) `time.perf_counter` stands in for the events.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

sys.path.append(
    str(Path(__file__).parents[1] / "cpu")
)  # the benchmarks share machine.py and peers.py
from machine import describe_machine, quartiles, take_turns

QUEUE_CYCLES = 2_000_000
"""How long the GPU waits before the first event: about 1 ms at 1.8 GHz."""

LARGER_THAN_THE_CACHE = 256 * 2**20
"""Bytes written between runs of a kernel that a second-level cache (50 MB on an H200) would make too fast."""


class Session:
    """One section's run: where it runs, what it writes, how long it may take.

    Args:
        specification: `section`, `device`, `quick`, `seconds`, `path`, `peaks` (of the first section) and options.
    """

    def __init__(self, specification: Mapping[str, Any]) -> None:
        self.options = dict(specification)
        self.device: str = specification["device"]
        self.quick: bool = specification["quick"]
        self.peaks: Mapping[str, float] = specification["peaks"]
        self._end = time.monotonic() + specification["seconds"]
        self._path = Path(specification["path"])
        self._result: dict[str, Any] = {"rows": [], "notes": []}
        self._cache = None
        if self.device == "cuda":
            self._cache = torch.empty(LARGER_THAN_THE_CACHE, dtype=torch.int8, device="cuda")

    def left(self) -> float:
        """Seconds until the section's share is used up."""
        return self._end - time.monotonic()

    def add(self, row: Mapping[str, Any], line: str) -> None:
        """A row of the table; written at once, so that a section that is cut off keeps what it has."""
        self._result["rows"].append(dict(row))
        print(f"  {line}", flush=True)
        self._write()

    def note(self, text: str) -> None:
        self._result["notes"].append(text)
        print(f"  note: {text}", flush=True)
        self._write()

    def summary(self, **values: Any) -> None:
        """Values that other sections or the table of wanted numbers need."""
        self._result.setdefault("summary", {}).update(values)
        self._write()

    def _write(self) -> None:
        complete = self._path.with_suffix(".new")
        complete.write_text(json.dumps(self._result))
        complete.replace(self._path)  # never half a file, however the section ends

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Raises TimeoutError inside when it takes longer: a competitor that compiles for minutes stops alone."""

        def stop(*_: Any) -> None:
            raise TimeoutError(f"not ready after {seconds:.0f} s")

        seconds = max(1.0, seconds)
        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def stages(self, functions: Sequence[Callable[[Any], Any]], cold: bool = False) -> list[float]:
        """Milliseconds of each function; each gets what the one before returned, the first None.

        Args:
            functions: What to run one after the other.
            cold: Clear the second-level cache before.
        """
        value: Any = None
        if self._cache is None:
            times = []
            for function in functions:
                start = time.perf_counter()
                value = function(value)
                times.append(1e3 * (time.perf_counter() - start))
            return times
        events = [torch.cuda.Event(enable_timing=True) for _ in range(len(functions) + 1)]
        if cold:
            self._cache.zero_()
        torch.cuda._sleep(QUEUE_CYCLES)
        events[0].record()
        for function, event in zip(functions, events[1:], strict=True):
            value = function(value)
            event.record()
        events[-1].synchronize()
        return [start.elapsed_time(end) for start, end in zip(events, events[1:], strict=False)]

    def median(self, function: Callable[[], Any], runs: int = 30, cold: bool = True) -> float:
        """Median milliseconds of one function alone, after three runs that do not count."""
        runs = 1 if self.quick else runs
        for _ in range(min(runs, 3)):
            function()
        times = [self.stages([lambda _: function()], cold)[0] for _ in range(runs)]
        return quartiles(times, 6)[1]

    def turns(
        self,
        jobs: Mapping[str, Callable[[], Mapping[str, float]]],
        seconds: float,
        most: int = 30,
    ) -> tuple[dict[str, list[Mapping[str, float]]], dict[str, str]]:
        """All jobs in turns, as many rounds as fit into `seconds`, at least three.

        Returns:
            Results by job, one per round, and the errors of the jobs that failed.
        """
        failed: dict[str, str] = {}

        def guarded(name: str) -> Mapping[str, float]:
            if name in failed:
                return {}
            try:
                return jobs[name]()
            except Exception as error:  # a competitor that fails says so in its row
                failed[name] = in_one_line(error)
                return {}

        callers = {name: (lambda name=name: guarded(name)) for name in jobs}
        start = time.monotonic()
        take_turns(callers, 1, 0)
        of_a_round = max(1e-4, time.monotonic() - start)
        rounds = 1 if self.quick else max(3, min(most, int(seconds / of_a_round) - 1))
        results = take_turns(callers, rounds, 0 if self.quick else 1)
        return {name: rows for name, rows in results.items() if name not in failed}, failed


def seeded(*size: int, device: str, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    """Normal numbers, the same for everybody."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(*size, generator=generator, device=device, dtype=dtype)


def in_one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0][:200]}"


def describe_gpu(device: str) -> dict[str, Any]:
    """The machine as in the CPU benchmarks, and the GPU: name, memory, clocks, driver."""
    machine = describe_machine(torch.get_num_threads())
    for package in ("triton", "onebitllms"):
        try:
            machine["packages"][package] = version(package)
        except PackageNotFoundError:
            machine["packages"][package] = "not installed"
    if device != "cuda":
        return {**machine, "gpu": None}
    properties = torch.cuda.get_device_properties(0)
    return {
        **machine,
        "gpu": properties.name,
        "gpu_memory_gb": round(properties.total_memory / 1e9, 1),
        "multiprocessors": properties.multi_processor_count,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        **_asked_of_the_driver(),
    }


def _asked_of_the_driver() -> dict[str, str]:
    fields = {
        "driver": "driver_version",
        "sm_clock": "clocks.sm",
        "sm_clock_at_most": "clocks.max.sm",
        "memory_clock": "clocks.mem",
        "power_limit": "power.limit",
        "temperature": "temperature.gpu",
    }
    try:
        answer = subprocess.run(
            ["nvidia-smi", f"--query-gpu={','.join(fields.values())}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return {"nvidia_smi": in_one_line(error)}
    values = answer.strip().splitlines()[0].split(",")
    return dict(zip(fields, (value.strip() for value in values), strict=True))
