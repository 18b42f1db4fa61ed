"""Which lines other than its results a command shows, and in which words.

bitsft's own warnings go to stderr, a line each. Other libraries write theirs as they do elsewhere, but for one line
that is about no command's work: bitsandbytes says, when something imports it on a CPU with AVX512-BF16, that a kernel
for NF4 is not installed. No command computes in NF4 (a QLoRA training is a script of the user, where the line stays).
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bitsft.cli.data.wording import OptionsFormatter

_SAYS_IT = "bitsandbytes.backends.cpu.ops"


def _is_about_the_work(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Failed to load CPU gemm_4bit_forward")


@contextmanager
def messages_of_a_command() -> Iterator[None]:
    """While a command runs: bitsft's warnings on stderr in the words of the command line, and that one line away.

    Who calls `main` in a process that has logging set up keeps its handlers; afterwards all is as it was.
    """
    ours, theirs = logging.getLogger("bitsft"), logging.getLogger(_SAYS_IT)
    handler = None if ours.hasHandlers() else logging.StreamHandler(sys.stderr)
    if handler is not None:
        handler.setLevel(logging.WARNING)
        handler.setFormatter(OptionsFormatter("%(message)s"))
        ours.addHandler(handler)
    theirs.addFilter(_is_about_the_work)
    try:
        yield
    finally:
        theirs.removeFilter(_is_about_the_work)
        if handler is not None:
            ours.removeHandler(handler)
