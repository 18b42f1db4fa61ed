"""The table of results."""

from dataclasses import replace

from bitsft.evaluation.standard_tasks import StandardResults, StandardScore


def test_a_line_a_score_and_nothing_where_guessing_is_unknown() -> None:
    score = StandardScore("t", "acc", 0.5, None, 0.25, 4, None, "1", True)
    results = StandardResults("m", (score, replace(score, metric="f1", random=None)), {}, {})
    assert str(results).splitlines()[2:] == [
        "| t | acc | 0.5000 |  | 0.2500 | 4 |  | 1 |",
        "| t | f1 | 0.5000 |  |  | 4 |  | 1 |",
    ]


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
