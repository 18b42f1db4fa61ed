"""A reader in a process of its own, in which bitsft cannot be imported (`child.py`).

It proves what others will compute from the files, a crash of theirs is an error here instead of the end
of this process, and what they print stays out of the way. One text is in flight at a time: token ids go
out through a pipe, logits come back in a file that is deleted once it is read.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from bitsft.checkpoint.proof.readers.side import Side

_RUN_BY_PATH = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
_CHILD = Path(__file__).with_name("child.py")


class ProcessReader:
    """Logits of a checkpoint, computed elsewhere. Starting returns at once; the first question waits.

    Args:
        path: What is read, for messages.
        arguments: For `child.py`: the runtime and what it wants to know.
        detail: How the runtime reads it, in words.
        remedy: What to do when the runtime cannot read the file.
        tokenizes: Whether the runtime has a tokenizer of its own.
    """

    def __init__(
        self,
        path: Path,
        arguments: list[str],
        *,
        detail: str,
        remedy: str = "",
        tokenizes: bool = False,
    ) -> None:
        self._path = path
        self._runtime = arguments[0]
        self._detail = detail
        self._remedy = remedy
        self.tokenizes = tokenizes
        self._texts = 0
        self._folder = tempfile.TemporaryDirectory(prefix="bitsft-verify-")
        self._log = Path(self._folder.name) / "log.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN_BY_PATH, str(_CHILD), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                # transformers' packed layers are compiled functions, which would need a C++ compiler
                env={**os.environ, "TORCHDYNAMO_DISABLE": "1", "HF_HUB_OFFLINE": "1"},
            )

    def __enter__(self) -> "ProcessReader":
        return self

    def __exit__(self, *exception: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    @cached_property
    def side(self) -> Side:
        """What was loaded, and by what.

        Raises:
            ValueError: The runtime cannot read the files, or they lack a tensor of the model.
        """
        found = self._receive()
        for names, problem in (
            (found["missing"], "finds no value for"),
            (found["mismatched"], "finds another shape than the model's for"),
        ):
            if names:
                raise ValueError(
                    f"{self._path}: {found['runtime']} {problem} {_some(names)} of {found['model']}, and would "
                    "start from random numbers there. The files are incomplete or mixed up, or config.json "
                    "describes another model; export again."
                )
        unused = found["unexpected"]
        return Side(
            what=str(self._path),
            model=found["model"],
            runtime=f"{found['runtime']}, {self._detail}",
            vocab_size=found["vocab_size"],
            positions=found["positions"],
            activations=found["activations"],
            notes=(
                (f"tensors in {self._path} that the model does not use: {_some(unused)}",)
                if unused
                else ()
            ),
        )

    def logits(self, ids: Tensor) -> Tensor:
        """Logits of one text.

        Args:
            ids: Token ids, int64 `[tokens]`.

        Returns:
            float32 `[tokens, vocab]`.

        Raises:
            ValueError: The runtime failed, or there are more or fewer logits than tokens in the vocabulary.
        """
        vocab_size = self.side.vocab_size  # its answer is the first in the pipe
        file = Path(self._folder.name) / f"{self._texts}.safetensors"
        self._texts += 1
        self._send({"ids": ids.tolist(), "file": str(file)})
        self._receive()
        logits = load_file(file)["logits"]
        file.unlink()
        if logits.shape[1] != vocab_size:  # transformers 5.0 takes weights of any shape
            raise ValueError(
                f"{self._path}: {logits.shape[1]} logits a position, but the config says vocab_size "
                f"{vocab_size}. They do not belong together; export again."
            )
        return logits

    def tokenize(self, text: str) -> list[int]:
        """The runtime's own token ids of a text; llama.cpp only.

        Raises:
            ValueError: The runtime failed.
        """
        _ = self.side
        self._send({"text": text})
        return list(self._receive()["ids"])

    def _send(self, request: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise self._failure()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failure() from error

    def _receive(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> ValueError:
        status = self._process.wait()
        with self._log.open(encoding="utf-8", errors="replace") as log:
            lines = [line.strip() for line in log]
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        said = " / ".join(_reasons(lines)) or "it gave no reason"
        remedy = f" {self._remedy}" if self._remedy else ""
        return ValueError(
            f"{self._path}: {self._runtime} cannot read it ({ended}): {said.rstrip('.')}.{remedy}"
        )


def _reasons(lines: list[str]) -> list[str]:
    """llama.cpp's own words where it said what was wrong; else the exception, else the last lines."""
    words = [line for line in lines if re.match(r"(llama|gguf|ggml)_\w+: .*(error|failed)", line)]
    exceptions = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt)\b", line)]
    found = words[-2:] or exceptions[-1:] or [line for line in lines if line][-3:]
    return list(dict.fromkeys(found))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more
