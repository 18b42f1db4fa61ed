from collections import Counter

from bitsft.data.records import Record
from bitsft.data.split.summary import Summary, labels_listed


def test_counts_and_lengths() -> None:
    summary = Summary()
    rows = [
        {"task": "classification", "text": "가" * n, "label": str(n % 2)} for n in range(1, 101)
    ]
    rows += [
        {"task": "summarization", "document": "문서 문서", "summary": "요약"},
        {"prompt": "가"},
    ]
    assert len(list(summary.observe(Record(row) for row in rows))) == 102
    assert summary.as_dict() == {
        "rows": 102,
        "tasks": {"": 1, "classification": 100, "summarization": 1},
        "labels": {"classification": {"0": 50, "1": 50}},
        "characters": {
            "question": {"p50": 50, "p95": 95, "max": 100},
            "document": {"p50": 5, "p95": 5, "max": 5},
            "answer": {"p50": 1, "p95": 1, "max": 2},
        },
    }


def test_labels_beyond_a_hundred_are_one_line() -> None:
    listed = labels_listed(Counter({f"{n:03}": 2 for n in range(100)} | {"가": 1, "나": 1}))
    assert len(listed) == 101
    assert listed["(2 others)"] == 2
