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
