"""Top-k and the rest: exact sums, and what storing costs in precision."""

import math

import pytest
import torch

from bitsft.training.distillation.cache.coarse import from_stored, teacher_top_k, to_stored


def test_a_row_by_hand() -> None:
    # softmax(ln [1, 4, 2, 1] ) = [1, 4, 2, 1] / 8
    top = teacher_top_k(torch.tensor([[1.0, 4.0, 2.0, 1.0]]).log(), k=2, temperature=1.0)
    assert top.indices.tolist() == [[1, 2]]
    torch.testing.assert_close(top.log_probs.exp(), torch.tensor([[0.5, 0.25]]))
    torch.testing.assert_close(top.rest.exp(), torch.tensor([0.25]))


def test_the_temperature_softens() -> None:
    # Divided by 2, ln 4 is ln 2: [2, 1, 1] / 4.
    top = teacher_top_k(torch.tensor([[4.0, 1.0, 1.0]]).log(), k=1, temperature=2.0)
    torch.testing.assert_close(top.log_probs.exp(), torch.tensor([[0.5]]))
    torch.testing.assert_close(top.rest.exp(), torch.tensor([0.5]))


def test_the_rest_is_exact_where_the_teacher_is_sure() -> None:
    # 1 - p in float32 would be 0, whose logarithm is -inf.
    top = teacher_top_k(torch.tensor([[40.0, 0.0, 0.0, 1.0]]), k=1, temperature=1.0)
    assert top.rest.item() == pytest.approx(math.log(2 + math.e) - 40, abs=1e-4)


def test_what_is_stored_comes_back_as_a_distribution_within_11_bits() -> None:
    top = teacher_top_k(4 * torch.randn(50, 300), k=64, temperature=1.5)
    back = from_stored(top.indices, *to_stored(top))
    sums = back.log_probs.exp().sum(-1) + back.rest.exp()
    torch.testing.assert_close(sums, torch.ones(50))
    bound = top.log_probs.abs() / 2048 + 0.003
    assert ((back.log_probs - top.log_probs).abs() <= bound).all()
    assert (back.rest - top.rest).abs().max() < 0.003
    assert torch.equal(back.indices, top.indices)


def test_probabilities_of_zero_stay_finite() -> None:
    top = teacher_top_k(torch.tensor([[2e5, 0.0, -1e5]]), k=2, temperature=1.0)
    back = from_stored(top.indices, *to_stored(top))
    assert torch.isfinite(back.log_probs).all()
    assert back.log_probs[0, 0].item() == 0
