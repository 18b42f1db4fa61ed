"""Names and numbers for people."""

import pytest

from bitsft.comparison.words import (
    is_detail,
    metric_title,
    percent,
    probability,
    shown,
    shown_change,
)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("rougeL", "ROUGE-L"),
        ("rouge2_precision", "ROUGE-2 precision"),
        ("bleu3_precision", "BLEU 3-gram precision"),
        ("recall[긍정]", "Recall of 긍정"),
        ("likelihood_f1[a[b]]", "F1 of a[b] by likelihood"),
        ("likelihood_macro_f1", "Macro F1 by likelihood"),
        ("mine", "mine"),
        ("my_recall", "my_recall"),
    ],
)
def test_titles(name: str, title: str) -> None:
    assert metric_title(name) == title


@pytest.mark.parametrize(
    "name",
    ["rouge1_recall", "bleu1_precision", "f1[부정]", "macro_recall", "answer_chars", "seq_rep_4", "finished"],
)  # fmt: skip
def test_details(name: str) -> None:
    assert is_detail(name)


@pytest.mark.parametrize(
    "name", ["rougeL", "bleu", "accuracy", "macro_f1", "raft_answer_correct", "no_label", "meteor"]
)
def test_main_metrics(name: str) -> None:
    assert not is_detail(name)


@pytest.mark.parametrize(
    ("values", "text"),
    [((0.5416,), "0.542"), ((28.34,), "28.3"), ((5.96, 71.6), "6.0"), ((-0.25,), "−0.250")],
)
def test_values(values: tuple[float, ...], text: str) -> None:
    assert shown(*values) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.242, 0.542, 0.784), "+0.242"),
        ((25.4, 28.3, 53.7), "+25.4"),
        ((-0.0001, 0.5, 0.4999), "0.000"),
        ((-0.1, 0.5, 0.4), "−0.100"),
        ((float("inf"), 1.0), "inf"),
    ],
)
def test_differences(values: tuple[float, ...], text: str) -> None:
    assert shown_change(*values) == text


def test_shares_and_probabilities() -> None:
    assert [percent(share) for share in (0.446, -0.05, 0.0, None)] == ["+44.6 %", "−5.0 %", "+0.0 %", "—"]  # fmt: skip
    assert [percent(share) for share in (8.99, 9.0, 1554.02)] == ["+899.0 %", "× 10", "× 1,555"]
    assert [probability(p) for p in (0.0004, 0.004, 0.049, 0.05, 1.0, None)] == [
        *("< 0.001 ***", "0.004 **", "0.049 *", "0.050", "1.000", "—"),
    ]
