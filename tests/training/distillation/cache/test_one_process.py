"""One process works, the others wait: with two real processes over gloo."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from bitsft.training.distillation.cache import one_process
from bitsft.training.distillation.cache.one_process import on_first_process


def _process(rank: int, folder: str, fails: bool) -> None:
    one_process._SECONDS = 0.01
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )

    def work(still_working: Callable[[], None]) -> None:
        for _ in range(3):
            time.sleep(0.02)
            still_working()
        if fails:
            raise OSError("no space left on device")
        Path(folder, f"made by {rank}").touch()

    try:
        on_first_process(work, torch.device("cpu"), "the work")
        there = Path(folder, "made by 0").exists()
        outcome = "done" if there else "left too early"
    except (OSError, RuntimeError) as error:
        outcome = f"{type(error).__name__}: {error}"
    Path(folder, f"outcome of {rank}").write_text(outcome)
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("fails", "outcomes"),
    [
        (False, ["done", "done"]),
        (
            True,
            [
                "OSError: no space left on device",
                "RuntimeError: the work failed in the process of rank 0; its error says why.",
            ],
        ),
    ],
)
def test_two_processes(tmp_path: Path, fails: bool, outcomes: list[str]) -> None:
    # Forked: a new process would import everything again.
    multiprocessing.start_processes(
        _process, args=(str(tmp_path), fails), nprocs=2, start_method="fork"
    )
    assert [(tmp_path / f"outcome of {rank}").read_text() for rank in (0, 1)] == outcomes
    assert not (tmp_path / "made by 1").exists()


def test_alone_it_simply_works() -> None:
    calls = []
    on_first_process(lambda still_working: calls.append(still_working()), torch.device("cpu"), "x")
    assert calls == [None]
