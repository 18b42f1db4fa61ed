"""`bitsft demo`: a small ternary model learns something Korean while you watch.

No network, no GPU, under three minutes on two CPU cores. Two tasks:

    reviews      the model that ships with bitsft, which has read Korean, is taught whether a film review is positive
    questions    a Llama with random weights is taught answers to questions; what it knows afterwards it learned here

Each is asked before and after, on rows that training never shows, and saved as a packed model. One thread is used, so
that the time does not depend on what else runs on the machine (docs/performance.md).

It is a demonstration of the whole path, not of a useful model.
"""

from pathlib import Path
from typing import Any

TASKS = ("reviews", "questions")


def run_demo(
    output_dir: Path, *, task: str = "reviews", steps: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Train, ask before and after, print, and save the packed model.

    Args:
        output_dir: Where the packed model goes; made when it is not there.
        task: `"reviews"` or `"questions"`.
        steps: Optimizer steps; default: the task's own.
        seed: Of the order of the rows, and of random weights.

    Returns:
        `{"before": …, "after": …}`: the scores by name; of questions, by kind of question the scores by name.

    Raises:
        ValueError: `steps` is below 1, or `task` is unknown.
    """
    if task not in TASKS:
        raise ValueError(f"task={task!r} is not known; use one of {', '.join(TASKS)}")
    if steps is not None and steps < 1:
        raise ValueError(f"--steps is {steps}; train for at least 1 step.")
    import torch
    from datasets import disable_progress_bars
    from transformers.utils import logging

    from bitsft.cli.demo import questions, reviews

    disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    module = reviews if task == "reviews" else questions
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return module.run(output_dir, module.STEPS if steps is None else steps, seed)
    finally:
        torch.set_num_threads(threads)
