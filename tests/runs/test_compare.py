"""Runs beside each other: only what differs, and scores with their differences."""

import pytest

from bitsft.runs import compare_runs
from bitsft.runs.overview import comparison_text

from .conftest import MakeRun


def score(value: float, signature: str = "v:1") -> dict[str, dict[str, dict[str, object]]]:
    return {"all": {"f1": {"value": value, "signature": signature, "goal": "higher"}}}


def test_what_differs(make_run: MakeRun) -> None:
    first = make_run("a", number=1, scores=score(0.5))
    second = make_run(
        *("b",),
        number=2,
        learning_rate=1e-3,
        scores=score(0.75),
        data=[{"role": "train", "name": "other", "rows": 1234, "rows_sha256": "c" * 64}],
        versions={"python": "3.11.7"},
    )
    found = compare_runs([first, second])
    assert found.settings == {
        "data.train.rows_sha256": ("a" * 64, "c" * 64),
        "settings.training.learning_rate": (2e-3, 1e-3),
        "versions.torch": ("2.8.0", None),
    }
    (line,) = found.scores
    assert line.values == (0.5, 0.75) and line.differences == (0.0, 0.25)
    assert (line.task, line.metric, line.goal, line.same_signature) == ("all", "f1", "higher", True)
    assert found.as_dict()["scores"][0]["differences"] == [0.0, 0.25]
    text = comparison_text(found)
    assert "settings.training.learning_rate  0.002" in text and "output_dir" not in text
    assert text.splitlines()[-1].split() == ["f1", "0.5", "0.75", "+0.25"]


def test_scores_that_are_not_comparable(make_run: MakeRun) -> None:
    runs = [
        make_run("a", number=1, scores=score(0.5, "tok:char")),
        make_run("a2", number=2, name="a", scores=score(0.4, "tok:ko")),
        make_run("c", number=3),
    ]
    found = compare_runs(runs)
    assert found.scores[0].same_signature is False
    assert found.scores[0].differences == (0.0, pytest.approx(-0.1), None)
    text = comparison_text(found)
    assert "other signatures: not comparable" in text and f"a ({runs[1].id})" in text


def test_nothing_differs(make_run: MakeRun) -> None:
    found = compare_runs([make_run("a", number=1), make_run("b", number=2)])
    assert found.settings == {} and "Nothing that was recorded differs" in comparison_text(found)
    with pytest.raises(ValueError, match="runs given: 1"):
        compare_runs([make_run("a")])
