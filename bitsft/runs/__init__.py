"""Experiment records: `run.json` in the folder of each training, evaluation and comparison.

    from bitsft.runs import recorded

    with recorded(folder, "eval", model="out", data={"eval": "test.jsonl"}, seed=0) as run:
        ...
        run.result(scores={"all": {"rouge1": score}})      # Score, number, or {"value", "before", ...}

`recorder.py` says more about writing, `record.py` about the form.
"""

from bitsft.runs.base_model import describe_model as describe_model
from bitsft.runs.base_model import runs_behind as runs_behind
from bitsft.runs.compare import RunComparison as RunComparison
from bitsft.runs.compare import compare_runs as compare_runs
from bitsft.runs.contents import describe_data as describe_data
from bitsft.runs.contents import rows_hash as rows_hash
from bitsft.runs.listing import find_run as find_run
from bitsft.runs.listing import list_runs as list_runs
from bitsft.runs.record import RunRecord as RunRecord
from bitsft.runs.record import read_run as read_run
from bitsft.runs.record import write_run as write_run
from bitsft.runs.recorder import Recorder as Recorder
from bitsft.runs.recorder import recorded as recorded
from bitsft.runs.recorder import start_record as start_record
