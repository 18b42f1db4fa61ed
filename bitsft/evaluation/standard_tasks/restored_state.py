"""What lm-evaluation-harness changes or says for the whole process, put back or held back while a task runs."""

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

# Said of every model object and of every local task; both are as they should be here
_EXPECTED = (
    "`pretrained` model kwarg is not of type `str`",
    "Passed an already-initialized model",
    "Custom kwargs can be passed",
)


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Put back random states and environment: the harness seeds every generator, and its import sets variables."""
    import numpy as np
    import torch

    environment = dict(os.environ)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(devices)):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            for name in set(os.environ) - set(environment):
                del os.environ[name]
            os.environ.update(environment)


class _NotExpected(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(text in str(record.msg) for text in _EXPECTED)


@contextmanager
def expected_warnings_hidden() -> Iterator[None]:
    """Hide the warnings that come each time and call for nothing; every other one passes."""
    loggers = [
        logging.getLogger(name) for name in ("lm_eval.api.task", "lm_eval.models.huggingface")
    ]
    own = _NotExpected()
    for logger in loggers:
        logger.addFilter(own)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(own)


def _hidden(bars: Any, *args: Any, **kwargs: Any) -> Any:
    return bars(*args, **{**kwargs, "disable": True})


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Show the harness's progress bars or not; it has no switch for them.

    Args:
        shown: Whether to.
    """
    if shown:
        yield
        return
    from lm_eval.api import model, task
    from lm_eval.models import huggingface

    modules: tuple[Any, ...] = (model, task, huggingface)
    before = [module.tqdm for module in modules]
    for module, bars in zip(modules, before, strict=True):
        module.tqdm = partial(_hidden, bars)
    try:
        yield
    finally:
        for module, bars in zip(modules, before, strict=True):
            module.tqdm = bars
