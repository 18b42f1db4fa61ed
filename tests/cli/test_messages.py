"""What a command shows besides its results: bitsft's warnings once, and not one line of bitsandbytes."""

import logging
import subprocess
import sys

import pytest

from bitsft.cli.messages import messages_of_a_command

GEMM = "Failed to load CPU gemm_4bit_forward from kernels-community: %s. Please make sure"


def test_the_line_about_the_nf4_kernel_is_not_shown_and_others_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    theirs = logging.getLogger("bitsandbytes.backends.cpu.ops")
    with messages_of_a_command():
        theirs.warning(GEMM, "No module named 'kernels'")
        theirs.warning("Something that matters")
        logging.getLogger("elsewhere").warning(GEMM, "said by somebody else")
    theirs.warning(GEMM, "after the command")
    assert [record.getMessage().split(": ")[-1] for record in caplog.records] == [
        "Something that matters",
        "said by somebody else. Please make sure",
        "after the command. Please make sure",
    ]


def test_warnings_of_bitsft_and_of_others_come_once() -> None:
    """In a process of its own: under pytest logging is set up already."""
    script = """
import logging, sys
from bitsft.cli.messages import messages_of_a_command

theirs = logging.getLogger("other_library")
theirs.addHandler(logging.StreamHandler(sys.stderr))
with messages_of_a_command():
    logging.getLogger("bitsft.data").warning("method='exact' meets the ratios")
    logging.getLogger("bitsft.data").info("not for the command line")
    theirs.warning("a warning with a handler of its own")
assert not logging.getLogger("bitsft").handlers and not logging.getLogger().handlers
assert not logging.getLogger("bitsandbytes.backends.cpu.ops").filters
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == "--method exact meets the ratios\na warning with a handler of its own\n"
