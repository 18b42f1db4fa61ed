"""One process works while the others wait, however long it takes.

A barrier gives up after the process group's timeout (half an hour by default, `ddp_timeout`), and a teacher can take
days. So the first process tells the others once a minute that it is still at work, and at the end how it went.
"""

import time
from collections.abc import Callable

import torch
from torch import distributed

_WORKING, _DONE, _FAILED = 0, 1, 2
_SECONDS = 60.0


def on_first_process(
    work: Callable[[Callable[[], None]], None], device: torch.device, what: str
) -> None:
    """Run `work` in the process of rank 0; return in all processes when it is done.

    Args:
        work: Gets a function that it calls often; with several processes that is what keeps them waiting.
        device: Where the process group's backend expects tensors.
        what: Names the work in errors.

    Raises:
        RuntimeError: In the waiting processes, when the work failed; in the first its own error is raised.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        work(lambda: None)
        return
    if distributed.get_rank() == 0:
        last = time.monotonic()

        def still_working() -> None:
            nonlocal last
            if time.monotonic() - last >= _SECONDS:
                _exchange(_WORKING, device)
                last = time.monotonic()

        try:
            work(still_working)
        except Exception:
            _exchange(_FAILED, device)
            raise
        _exchange(_DONE, device)
        return
    while (status := _exchange(_WORKING, device)) == _WORKING:
        pass
    if status == _FAILED:
        raise RuntimeError(f"{what} failed in the process of rank 0; its error says why.")


def _exchange(status: int, device: torch.device) -> int:
    value = torch.tensor(status, device=device)
    distributed.broadcast(value, src=0)
    return int(value.item())
