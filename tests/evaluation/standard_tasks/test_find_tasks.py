"""Names of the harness: what is unknown, and what needs the Hub."""

from functools import partial
from pathlib import Path

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.evaluation.standard_tasks import run_standard_tasks


def test_tasks_of_the_harness_need_the_hub(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval import tasks

    kobest = (
        Path(tasks.__file__).parent / "kobest"
    )  # found at once; all of the harness takes seconds
    with pytest.raises(
        ConnectionError, match="kobest_copa: reads its rows from the Hugging Face Hub"
    ):
        run_standard_tasks(model, tokenizer, ["kobest_copa"], task_folders=[kobest])
    some = partial(tasks.TaskManager, include_path=str(kobest))
    monkeypatch.setattr(tasks, "TaskManager", lambda **_: some(include_defaults=False))
    with pytest.raises(ValueError, match="no task 'kobest_cop': did you mean kobest_copa"):
        run_standard_tasks(model, tokenizer, ["kobest_cop"])
