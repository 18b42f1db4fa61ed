"""The JSON: stable keys, everything there, nothing that JSON lacks."""

import json

from bitsft.comparison import compare
from bitsft.comparison.as_json import comparison_as_json
from tests.comparison.evaluations import answer, evaluation, scored, simple


def test_keys_stay() -> None:
    document = json.loads(comparison_as_json(compare(simple([0.0, 0.5]), simple([1.0, 0.5]))))
    assert list(document) == [
        *("form", "base", "tuned", "rows", "settings", "notes", "table", "left_out", "changes"),
        *("slices", "pairs"),
    ]
    assert list(document["table"]["all"][0]) == [
        *("task", "metric", "base", "tuned", "difference", "relative_gain", "base_interval"),
        *("tuned_interval", "difference_interval", "p", "adjusted_p", "goal", "verdict", "rows"),
        "signature",
    ]
    assert list(document["changes"]["all"]) == [
        *("task", "metric", "best", "worst", "regressions", "rule", "better", "worse", "same"),
    ]
    assert document["changes"]["all"]["best"] == [
        {"row": 0, "place": 0, "base": 0.0, "tuned": 1.0, "gain": 1.0}
    ]
    assert document["base"] == {
        "model": "m",
        "decoding": "greedy",
        "data": {"name": "rows.jsonl", "sha256": "ab" * 32, "rows": 2},
        "settings": {"max_new_tokens": 8},
        "folder": None,
    }


def test_pairs_hold_both_answers() -> None:
    comparison = compare(simple([0.0], model="x"), simple([1.0], model="y"))
    assert json.loads(comparison_as_json(comparison))["pairs"] == [
        {
            "row": 0,
            "id": None,
            "task": None,
            "prompt": "질문 0",
            "reference": "정답 0",
            "base": "x 0",
            "tuned": "y 0",
            "scores": {"rougeL": [0.0, 1.0]},
        }
    ]


def test_what_is_not_finite_is_null() -> None:
    base = evaluation([answer(0)], scored("perplexity", [float("inf")], goal="lower"))
    tuned = evaluation([answer(0)], scored("perplexity", [2.0], goal="lower"))
    (line,) = json.loads(comparison_as_json(compare(base, tuned)))["table"]["all"]
    assert (line["base"], line["tuned"], line["p"]) == (None, 2.0, None)
    assert line["verdict"] == "not tested"


def test_the_same_comparison_is_the_same_text() -> None:
    base, tuned = simple([0.1, 0.7] * 20), simple([0.2, 0.5] * 20)
    assert comparison_as_json(compare(base, tuned)) == comparison_as_json(compare(base, tuned))
