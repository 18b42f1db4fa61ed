from typing import Any

import pytest

from bitsft.data.quality.class_counts import BalanceReport, balance_report, label_of


def rows(**counts: int) -> list[dict[str, Any]]:
    return [
        {"task": "classification", "text": f"{label} {n}", "label": label}
        for label, count in counts.items()
        for n in range(count)
    ]


def test_the_report() -> None:
    report = balance_report(rows(긍정=6, 부정=2))
    assert report.counts == {"긍정": 6, "부정": 2}
    assert (report.imbalance, report.near_identical) == (3.0, ())
    assert report.entropy == pytest.approx(0.811278)
    assert report.evenness == pytest.approx(0.811278)
    assert str(report) == (
        "label: '긍정': 6, '부정': 2; imbalance 3.00, entropy 0.811 bits (81.1%)"
    )
    four = balance_report(rows(a=1, b=1, c=1, d=1)).as_dict()
    assert (four["entropy"], four["evenness"]) == (2.0, 1.0)


def test_nothing_and_one_class() -> None:
    assert BalanceReport().as_dict() == {
        "by": "label",
        "counts": {},
        "missing": 0,
        "imbalance": None,
        "entropy": 0.0,
        "evenness": None,
        "near_identical": [],
    }
    assert balance_report(rows(a=3)).evenness is None


def test_labels_that_are_nearly_the_same() -> None:
    data = [{"label": label} for label in ("True", "TRUE", " true", True, "False", 1, "1", "1.0")]
    report = balance_report([*data, {"label": "True"}, {"label": None}, {}])
    assert report.near_identical == (("True", " true", "TRUE"), ("1", "1.0"))
    assert report.counts["True"] == 3
    assert report.missing == 2
    assert "nearly the same: 'True', ' true', 'TRUE'" in str(report)


def test_by_task_or_any_column() -> None:
    data = [{"task": "koalpaca", "instruction": "a", "output": "b"}, *rows(a=2)]
    assert balance_report(data, by="task").counts == {"koalpaca": 1, "classification": 2}
    assert balance_report(data).missing == 1
    assert balance_report(data, by="text").counts == {"a 0": 1, "a 1": 1}
    assert label_of({"task": "raft", "label": "x"}, "label") is None
