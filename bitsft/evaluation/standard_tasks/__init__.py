"""`run_standard_tasks`: the tasks of lm-evaluation-harness on a model that is in memory, ternary or not.

    results = run_standard_tasks(model, tokenizer, ["kobest"], limit=100)
    print(results)                                     # the table
    results.write(folder / "standard_tasks.json")      # as_dict(), atomically
    results = run_standard_tasks(model, tokenizer, ["local:prepared/"])             # what `bitsft data` wrote
    results = run_standard_tasks(model, tokenizer, ["nsmc_classification"], task_folders=["tasks/"])

A name in `tasks` is one of

    kobest, kmmlu_direct, haerae, ...   a task, group or tag of the harness; wildcards work (`kmmlu_*`)
    NAME                                a task in one of `task_folders` (YAML files of anybody's)
    local:FOLDER                        every task in a folder of task files, or in a folder that `prepare` wrote, for
                                        whose test split task files are then made (task_files.py)

The harness (https://github.com/EleutherAI/lm-evaluation-harness, 0.4.13) builds the prompts, picks few-shot
examples with its own fixed seeds and scores, so the values can be set beside published ones of the same task
version and number of shots. Its prompts are plain text unless `apply_chat_template`. Beside each score stands
what guessing gets, where that follows from the rows: of a choice among k the mean of 1/k, of macro F1 the value
for uniform guesses. A small model sits there, and a difference within two standard errors of it is none.

Put back afterwards: the random states of Python, numpy and torch, the environment, training flags; the tokenizer
is a copy. Limits: one process, one device; contexts that are too long are cut on the left by the harness, which
its log says; most of its tasks read their rows from the Hub.
"""

from bitsft.evaluation.standard_tasks.results import StandardResults as StandardResults
from bitsft.evaluation.standard_tasks.results import StandardScore as StandardScore
from bitsft.evaluation.standard_tasks.run import run_standard_tasks as run_standard_tasks
from bitsft.evaluation.standard_tasks.task_files import write_task_files as write_task_files
