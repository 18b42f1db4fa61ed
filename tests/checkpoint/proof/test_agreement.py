"""Agreement of logits: small cases worked out by hand."""

import math

import pytest
import torch

from bitsft.checkpoint.proof.agreement import Agreement, LogitComparison

LN3 = math.log(3)


def compared(*texts: tuple[list[list[float]], list[list[float]], list[int]]) -> Agreement:
    comparison = LogitComparison()
    for a, b, ids in texts:
        comparison.add(torch.tensor(a), torch.tensor(b), torch.tensor(ids))
    return comparison.result()


# At position 0, A gives both tokens 1/2 and B gives them 3/4 and 1/4; the token that follows is 1.
ONE_TEXT = ([[0.0, 0.0], [LN3, 0.0]], [[LN3, 0.0], [LN3, 0.0]], [0, 1])


def test_every_number_by_hand() -> None:
    found = compared(ONE_TEXT)
    assert (found.tokens, found.predicted) == (2, 1)
    assert found.max_difference == pytest.approx(LN3)
    assert found.mean_difference == pytest.approx(LN3 / 4)
    assert found.top1 == 1.0, "of equal logits the first counts"
    # (1/2 · ln((1/2)/(3/4)) + 1/2 · ln((1/2)/(1/4))) / 2 positions
    assert found.kl == pytest.approx(math.log(4 / 3) / 4)
    assert found.perplexity_a == pytest.approx(2)
    assert found.perplexity_b == pytest.approx(4)
    assert found.perplexity_change == pytest.approx(1)


def test_kl_is_that_of_b_from_a_and_not_the_other_way_round() -> None:
    a, b, ids = ONE_TEXT
    other_way = math.log(0.75 / 0.5) * 0.75 + math.log(0.25 / 0.5) * 0.25
    assert compared((b, a, ids)).kl == pytest.approx(other_way / 2)


def test_perplexity_is_over_all_tokens_not_a_mean_of_texts() -> None:
    even = [[0.0, 0.0]] * 4
    found = compared(ONE_TEXT, (even, even, [0, 1, 0, 1]))
    assert (found.tokens, found.predicted) == (6, 4)
    assert found.perplexity_a == pytest.approx(2)
    assert found.perplexity_b == pytest.approx(2**1.25)  # (ln 4 + 3 ln 2) / 4
    assert found.perplexity_change == pytest.approx(2**0.25 - 1)


def test_top1_counts_positions() -> None:
    a = [[1.0, 0.0, 0.0]] * 4
    b = [[1.0, 0.0, 0.0]] * 3 + [[0.0, 0.5, 0.0]]
    assert compared((a, b, [0, 1, 2, 0])).top1 == 0.75


def test_long_texts_are_added_up_in_pieces() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 131, 7)
    ids = torch.randint(7, (131,))
    comparison = LogitComparison()
    comparison.add(a, b, ids)
    found = comparison.result()
    log_a, log_b = a.double().log_softmax(-1), b.double().log_softmax(-1)
    assert found.kl == pytest.approx(float((log_a.exp() * (log_a - log_b)).sum(-1).mean()))
    nll = -log_b[range(130), ids[1:]].mean()
    assert found.predicted == 130
    assert found.perplexity_b == pytest.approx(float(nll.exp()))


def test_equal_logits_of_any_float_dtype() -> None:
    logits = torch.randn(5, 9).to(torch.bfloat16)
    comparison = LogitComparison()
    comparison.add(logits, logits.float(), torch.arange(5))
    found = comparison.result()
    assert found.max_difference == found.kl == found.perplexity_change == 0.0
    assert found.top1 == 1.0


def test_huge_losses_do_not_overflow() -> None:
    far = [[0.0, -2000.0], [0.0, 0.0]]
    near = [[0.0, 0.0], [0.0, 0.0]]
    found = compared((near, far, [0, 1]))
    assert found.perplexity_b == math.inf
    assert found.perplexity_change == math.inf


def test_table_and_dict() -> None:
    found = compared(ONE_TEXT)
    assert str(found).splitlines() == [
        "tokens compared               2",
        "max |Δ logit|               1.1",
        "mean |Δ logit|            0.275",
        "top-1 agreement        100.00 %",
        "mean KL(A‖B)        0.0719 nats",
        "perplexity of A               2",
        "perplexity of B               4",
        "perplexity change   +100.0000 %",
    ]
    assert found.to_dict()["perplexity_change"] == found.perplexity_change
    assert Agreement(**found.to_dict()) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("a", "b", "ids", "message"),
    [
        ((3, 4), (3, 5), 3, r"text 0: the logits' shapes are \(3, 4\) \(A\) and \(3, 5\) \(B\)"),
        ((1, 3, 4), (1, 3, 4), 3, r"must be the same \[tokens, vocab\]"),
        ((3, 4), (3, 4), 2, r"\(2,\) token ids for logits of shape \(3, 4\)"),
        ((0, 4), (0, 4), 0, "at least one"),
    ],
)
def test_shapes_that_do_not_fit(
    a: tuple[int, ...], b: tuple[int, ...], ids: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LogitComparison().add(torch.zeros(a), torch.zeros(b), torch.arange(ids))


def test_nan_is_an_error_with_its_place() -> None:
    broken = torch.zeros(100, 3)
    broken[70, 1] = math.nan
    comparison = LogitComparison()
    comparison.add(torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="text 1, position 70: B computes NaN or infinite logits"):
        comparison.add(torch.zeros(100, 3), broken, torch.zeros(100, dtype=torch.int64))


def test_no_text_is_an_error() -> None:
    comparison = LogitComparison()
    comparison.add(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([0]))
    with pytest.raises(ValueError, match="no text of at least two tokens"):
        comparison.result()
