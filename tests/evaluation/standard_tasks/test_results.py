"""The table of results."""

import json
import math
from dataclasses import replace
from pathlib import Path

from bitsft.evaluation.standard_tasks import StandardResults, StandardScore


def test_a_line_a_score_and_nothing_where_guessing_is_unknown() -> None:
    score = StandardScore("t", "acc", 0.5, None, 0.25, 4, None, "1", True)
    results = StandardResults("m", (score, replace(score, metric="f1", random=None)), {}, {})
    assert str(results).splitlines()[2:] == [
        "| t | acc | 0.5000 |  | 0.2500 | 4 |  | 1 |",
        "| t | f1 | 0.5000 |  |  | 4 |  | 1 |",
    ]


def test_what_is_not_finite_is_null_in_the_file(tmp_path: Path) -> None:
    score = StandardScore("t", "ppl", math.inf, math.nan, None, 4, 0, "1", False)
    StandardResults("m", (score,), {}, {"limits": [1.0, -math.inf]}).write(tmp_path / "r.json")

    def refused(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    stored = json.loads((tmp_path / "r.json").read_text("utf-8"), parse_constant=refused)
    assert (stored["scores"][0]["value"], stored["scores"][0]["stderr"]) == (None, None)
    assert stored["settings"] == {"limits": [1.0, None]}


def test_as_the_record_of_a_run_holds_scores() -> None:
    score = StandardScore("t", "acc", 0.5, 0.1, 0.25, 4, 3, "1", True)
    group = StandardScore("g", "acc", 0.4, None, None, 8, None, "", None)
    results = StandardResults("m", (score, group), {"lm_eval": "0.4.13"}, {})
    assert results.as_scores() == {
        "t": {
            "acc": {
                "value": 0.5,
                "signature": "lm-eval:0.4.13|task:1|shots:3",
                "rows": 4,
                "stderr": 0.1,
                "goal": "higher",
            }
        },
        "g": {"acc": {"value": 0.4, "signature": "lm-eval:0.4.13|task:", "rows": 8}},
    }
