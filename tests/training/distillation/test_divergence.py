"""The chunked divergence against TRL's own on whole logits, and its gradients against autograd."""

import math

import pytest
import torch
from torch import Tensor
from trl.experimental.gkd import GKDTrainer

from bitsft.training.distillation.divergence import divergence_sum
from bitsft.training.distillation.output_head import OutputHead
from bitsft.training.distillation.signals import TeacherHeadSignal, TopKSignal

TOKENS, WORDS, WIDTH, TEACHER_WIDTH = 13, 50, 8, 12
BETA = {"forward": 0, "reverse": 1, "js": 0.5}


def truth(s: Tensor, t: Tensor, divergence: str, temperature: float = 1.0) -> Tensor:
    return GKDTrainer.generalized_jsd_loss(
        s[None], t[None], beta=BETA[divergence], temperature=temperature, reduction="sum"
    )


def logits(hidden: Tensor, head: OutputHead) -> Tensor:
    z = hidden @ head.weight[:WORDS].T
    if head.bias is not None:
        z = z + head.bias[:WORDS]
    z = z * head.scale
    return z if head.cap is None else head.cap * torch.tanh(z / head.cap)


def some(
    *, bias: bool = False, scale: float = 1.0, cap: float | None = None
) -> tuple[Tensor, OutputHead, TeacherHeadSignal, list[Tensor]]:
    """Student and teacher with heads of 52 and 50 words, and what gradients are asked for."""
    hidden = torch.randn(TOKENS, WIDTH, requires_grad=True)
    weight = torch.randn(WORDS + 2, WIDTH, requires_grad=True)
    own_bias = torch.randn(WORDS + 2, requires_grad=True) if bias else None
    teacher = OutputHead(torch.randn(WORDS, TEACHER_WIDTH), None, scale, cap)
    return (
        hidden,
        OutputHead(weight, own_bias, scale, cap),
        TeacherHeadSignal(torch.randn(TOKENS, TEACHER_WIDTH), teacher),
        [one for one in (hidden, weight, own_bias) if one is not None],
    )


def assert_same(found: Tensor, expected: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    for own, right in zip(
        torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(own, right, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("divergence", BETA)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize(
    "head", [{}, {"bias": True}, {"scale": 0.5}, {"cap": 3.0, "scale": 2.0, "bias": True}], ids=str
)
def test_as_trl_on_whole_logits(divergence: str, temperature: float, head: dict) -> None:
    hidden, own, teacher, inputs = some(**head)
    found = divergence_sum(
        hidden,
        own,
        teacher,
        words=WORDS,
        temperature=temperature,
        divergence=divergence,
        chunk_values=4 * WORDS,  # 13 tokens are no multiple of 4
    )
    z_teacher = logits(teacher.hidden, teacher.head)
    assert_same(found, truth(logits(hidden, own), z_teacher, divergence, temperature), inputs)


@pytest.mark.parametrize("divergence", BETA)
@pytest.mark.parametrize("k", [1, 5, WORDS])
def test_the_top_and_the_rest(divergence: str, k: int) -> None:
    hidden, own, teacher, inputs = some()
    log_t = torch.log_softmax(logits(teacher.hidden, teacher.head) / 2, -1)
    log_probs, indices = log_t.topk(k, -1)
    rest = torch.log1p(-log_probs.exp().sum(-1).clamp(max=1)) if k < WORDS else -math.inf
    signal = TopKSignal(indices, log_probs, torch.as_tensor(rest).expand(TOKENS))
    found = divergence_sum(
        hidden, own, signal, words=WORDS, temperature=2.0, divergence=divergence, chunk_values=200
    )
    s = torch.log_softmax(logits(hidden, own) / 2, -1)
    if k == WORDS:  # nothing is left: the divergence is the whole one
        assert_same(found, truth(s, log_t, divergence), inputs)
        return
    others = s.exp().scatter(-1, indices, 0).sum(-1, keepdim=True)
    events = torch.cat([s.gather(-1, indices), others.log()], -1)
    expected = truth(events, torch.cat([log_probs, signal.rest[:, None]], -1), divergence)
    assert_same(found, expected, inputs)
    assert found <= truth(s, log_t, divergence), "merging events cannot enlarge it"


def test_values_worked_out_by_hand() -> None:
    # student (1/2, 1/2), teacher (3/4, 1/4)
    student = OutputHead(torch.tensor([[0.0], [0.0]]))
    teacher = OutputHead(torch.tensor([[math.log(3)], [0.0]]))
    one = torch.ones(1, 1)
    expected = {
        "forward": 0.75 * math.log(1.5) + 0.25 * math.log(0.5),
        "reverse": 0.5 * math.log(2 / 3) + 0.5 * math.log(2),
        "js": 0.5 * (0.75 * math.log(1.2) + 0.25 * math.log(2 / 3))
        + 0.5 * (0.5 * math.log(0.8) + 0.5 * math.log(4 / 3)),
    }
    for divergence, value in expected.items():
        found = divergence_sum(
            one, student, TeacherHeadSignal(one, teacher), words=2, divergence=divergence
        )
        assert found.item() == pytest.approx(value, rel=1e-5), divergence


@pytest.mark.parametrize("divergence", BETA)
def test_large_logits_stay_finite_and_equal_distributions_give_zero(divergence: str) -> None:
    hidden = 100 * torch.randn(TOKENS, WIDTH)
    head = OutputHead(torch.randn(WORDS, WIDTH))
    other = TeacherHeadSignal(-hidden, head)
    same = TeacherHeadSignal(hidden.clone(), head)
    assert torch.isfinite(divergence_sum(hidden, head, other, words=WORDS, divergence=divergence))
    assert divergence_sum(hidden, head, same, words=WORDS, divergence=divergence).abs() < 1e-2


def test_no_tokens_give_zero_that_can_be_differentiated() -> None:
    _, own, teacher, _ = some(bias=True)
    hidden = torch.empty(0, WIDTH, requires_grad=True)
    nothing = TeacherHeadSignal(teacher.hidden[:0], teacher.head)
    total = divergence_sum(hidden, own, nothing, words=WORDS)
    total.backward()
    assert total.item() == 0
    assert hidden.grad.shape == (0, WIDTH)
    assert own.weight.grad.abs().max() == 0 and own.bias.grad.abs().max() == 0


def test_a_frozen_head_costs_no_gradient() -> None:
    hidden, own, teacher, _ = some()
    own.weight.requires_grad_(False)
    divergence_sum(hidden, own, teacher, words=WORDS).backward()
    assert own.weight.grad is None and hidden.grad.abs().sum() > 0


def test_nothing_of_size_tokens_times_vocabulary_is_kept() -> None:
    hidden, own, teacher, _ = some()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda one: kept.append(tuple(one.shape)) or one, lambda one: one
    ):
        divergence_sum(hidden, own, teacher, words=WORDS)
    assert sorted(kept) == [(TOKENS, WIDTH), (WORDS + 2, WIDTH)]


def test_under_autocast_the_products_are_short_and_the_sums_float32() -> None:
    hidden, own, teacher, _ = some()
    exact = divergence_sum(hidden, own, teacher, words=WORDS)
    with torch.autocast("cpu", torch.bfloat16):
        found = divergence_sum(hidden, own, teacher, words=WORDS)
        found.backward()
    assert found.dtype == torch.float32 and found != exact
    torch.testing.assert_close(found, exact, rtol=2e-2, atol=0)
    assert own.weight.grad.dtype == torch.float32
