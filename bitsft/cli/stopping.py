"""What ends a command early: SIGTERM, which job schedulers and `timeout` send, is taken like Ctrl-C.

By itself Python would end on the spot, and leave half-written folders beside their target; KeyboardInterrupt passes
through whatever cleans up, and `bitsft eval` says how to go on.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_like_ctrl_c() -> Iterator[None]:
    """While a command runs, SIGTERM raises KeyboardInterrupt; afterwards it does what it did before.

    Outside the main thread, where Python takes no signals, nothing is changed. Worker processes that a command forks
    end at once, as they would without it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    command = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() == command:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
