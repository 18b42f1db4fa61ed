"""SIGTERM ends a command as Ctrl-C does, and its workers at once."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from bitsft.cli import main
from bitsft.cli.stopping import stopped_like_ctrl_c


def test_sigterm_is_ctrl_c_and_the_handler_before_it_returns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def terminated(*args: object, **kwargs: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("bitsft.cli.demo.run_demo", terminated)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_forked_workers_end_without_a_word() -> None:
    script = """
import os, signal, time
from bitsft.cli.stopping import stopped_like_ctrl_c

with stopped_like_ctrl_c():
    reading, writing = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.write(writing, b"x")
        while True:
            time.sleep(0.05)
    os.read(reading, 1)
    os.kill(worker, signal.SIGTERM)
    assert os.WTERMSIG(os.waitpid(worker, 0)[1]) == signal.SIGTERM
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_thread_changes_nothing() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with stopped_like_ctrl_c():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
