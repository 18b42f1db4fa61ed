"""Where a run took place: versions, git commit, hardware, memory.

Nothing here names the machine or its user. What cannot be found out is left out, or None.

Sources: `/proc/cpuinfo`, `/proc/meminfo`, and `/proc/self/status` (VmHWM, the process's own peak; `ru_maxrss`
starts from that of the parent process) on Linux; `sysctl` and `getrusage` on macOS.
"""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "numpy"),
    *("safetensors", "huggingface_hub", "deepspeed", "bitsandbytes", "liger-kernel", "triton"),
    *("sacrebleu", "rouge-score", "mecab-ko", "sentence-transformers", "scikit-learn", "lm-eval"),
)


def installed_versions() -> dict[str, str]:
    """The versions of Python, bitsft and those packages that are installed and can change a result."""
    import bitsft

    found = {"python": platform.python_version(), "bitsft": bitsft.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_state(folder: str | os.PathLike[str] = ".") -> dict[str, Any]:
    """The git commit of a folder, and whether files that git tracks were changed since.

    Returns:
        `{"commit", "changed"}`; empty where there is no repository, or no git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "changed": None if status is None else bool(status)}


def _git(folder: str | os.PathLike[str], *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """CPU, cores and threads, memory, GPUs, operating system. GPUs only where torch is loaded already."""
    affinity = getattr(os, "sched_getaffinity", None)
    found: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "os": platform.platform(aliased=True, terse=True),
        "gpus": [],
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            for number in range(torch.cuda.device_count()):
                one = torch.cuda.get_device_properties(number)
                found["gpus"].append({"name": one.name, "memory_bytes": one.total_memory})
    return found


def peak_memory() -> dict[str, int | None]:
    """Bytes at the peak since the process started: resident, and allocated by torch on the fullest GPU."""
    torch = sys.modules.get("torch")
    gpu = None
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        gpu = max(int(torch.cuda.max_memory_allocated(number)) for number in devices)
    return {"peak_bytes": _peak_resident(), "peak_gpu_bytes": gpu}


def _peak_resident() -> int | None:
    kilobytes = _field(Path("/proc/self/status"), "VmHWM")
    if kilobytes is not None:
        return int(kilobytes.split()[0]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _memory_bytes() -> int | None:
    kilobytes = _field(Path("/proc/meminfo"), "MemTotal")
    return None if kilobytes is None else int(kilobytes.split()[0]) * 1024


def _cpu_model() -> str:
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _field(file: Path, name: str) -> str | None:
    """The first value of a name in a file of `name: value` lines."""
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return None
