"""The attention term against a literal reference, and through checkpointing, adapters and other teachers."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

from bitsft.training.distillation.attention import (
    PROJECTIONS,
    AttentionDistillation,
    relation_divergence,
)
from bitsft.training.distillation.documents import Document

IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 0, 0]])
PADDED = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}


def llama(hidden: int, layers: int, heads: int, kv_heads: int, seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config)


@pytest.fixture
def student() -> LlamaForCausalLM:
    return llama(16, layers=2, heads=4, kv_heads=2, seed=1)


@pytest.fixture
def teacher() -> LlamaForCausalLM:
    """Wider and deeper."""
    return llama(24, layers=3, heads=2, kv_heads=1, seed=2).eval()


def term(
    attention: AttentionDistillation,
    student: nn.Module,
    teacher: nn.Module,
    inputs: Mapping[str, Any] = PADDED,
) -> torch.Tensor:
    with torch.no_grad(), attention.capture("teacher") as of_teacher:
        teacher(**inputs, use_cache=False)  # a cache would keep documents of a row together
    with attention.capture("student") as of_student:
        student(**inputs, use_cache=False)
    return attention.loss(of_student, of_teacher, inputs)


def literal(
    student: torch.Tensor, teacher: torch.Tensor, pieces: list[Document], heads: int
) -> torch.Tensor:
    """One token, one head at a time, as the formula stands in the module."""
    values = []
    for piece in pieces:
        for head in range(heads):
            rows = []
            for states in (student, teacher):
                d = states.shape[-1] // heads
                z = states[piece.row, piece.start : piece.stop, head * d : (head + 1) * d]
                rows.append(torch.softmax(z @ z.T / math.sqrt(d), dim=-1))
            s, t = rows
            values += [(t[i] * (t[i].log() - s[i].log())).sum() for i in range(len(piece))]
    return torch.stack(values).mean()


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("chunk_values", [1, 20, 10**6])
def test_value_and_gradient_are_those_of_the_formula(heads: int, chunk_values: int) -> None:
    pieces = [Document(0, 0, 6), Document(1, 1, 4), Document(1, 4, 6)]
    student = torch.randn(2, 6, 8, requires_grad=True)
    teacher = torch.randn(2, 6, 12)
    expected = literal(student, teacher, pieces, heads)
    (expected_gradient,) = torch.autograd.grad(expected, student)
    value = relation_divergence(student, teacher, pieces, heads=heads, chunk_values=chunk_values)
    (gradient,) = torch.autograd.grad(3 * value, student)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, 3 * expected_gradient)
    assert gradient[1, 0].abs().max() == 0  # in no document


def test_a_pair_of_tokens_by_hand() -> None:
    # Teacher: two orthogonal tokens of length 1: S = [[1, 0], [0, 1]] / sqrt(2). Student: all zero, A = 1/2.
    teacher = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    student = torch.zeros(1, 2, 2)
    p = math.exp(1 / math.sqrt(2)) / (math.exp(1 / math.sqrt(2)) + 1)
    expected = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    value = relation_divergence(student, teacher, [Document(0, 0, 2)])
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_equal_models_have_no_divergence_and_no_gradient(student: LlamaForCausalLM) -> None:
    teacher = copy.deepcopy(student)
    value = term(AttentionDistillation(student, teacher), student, teacher)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-7)
    assert all(p.grad is None or p.grad.abs().max() < 1e-6 for p in student.parameters())


def test_the_models_states_are_those_of_the_chosen_layer(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    caught: dict[str, list[torch.Tensor]] = {name: [] for name in PROJECTIONS}
    for model in (student, teacher):
        for name in PROJECTIONS:
            module = getattr(model.model.layers[-2].self_attn, name)
            module.register_forward_hook(lambda _m, _a, out, name=name: caught[name].append(out))
    attention = AttentionDistillation(student, teacher, layer=-2, heads=2)
    value = term(attention, student, teacher)
    pieces = [Document(0, 0, 6), Document(1, 0, 4)]
    expected = sum(literal(caught[n][1], caught[n][0], pieces, heads=2) for n in PROJECTIONS) / 3
    torch.testing.assert_close(value, expected)
    assert value.item() > 0.01


def test_a_padded_and_a_flattened_batch_have_the_same_term(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    flat = {
        "input_ids": torch.cat([IDS[0], IDS[1, :4]])[None],
        "position_ids": torch.tensor([[0, 1, 2, 3, 4, 5, 0, 1, 2, 3]]),
    }
    attention = AttentionDistillation(student, teacher, heads=2)
    torch.testing.assert_close(
        term(attention, student, teacher, flat), term(attention, student, teacher)
    )


def gradients(model: nn.Module, value: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    value.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_gradient_checkpointing_changes_nothing(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    student.train()
    attention = AttentionDistillation(student, teacher, layer=0)
    plain_value = term(attention, student, teacher)
    plain = gradients(student, plain_value)
    student.gradient_checkpointing_enable({"use_reentrant": False})
    value = term(attention, student, teacher)
    assert value.item() == plain_value.item()
    checkpointed = gradients(student, value)
    assert checkpointed.keys() == plain.keys()
    assert "model.layers.0.self_attn.q_proj.weight" in plain
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient)


def test_checkpointing_with_the_whole_loss_of_the_model(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    def whole() -> torch.Tensor:
        with torch.no_grad(), attention.capture("teacher") as of_teacher:
            teacher(**PADDED)
        with attention.capture("student") as of_student:
            loss = student(**PADDED, labels=IDS).loss
        return loss + attention.loss(of_student, of_teacher, PADDED)

    student.train()
    attention = AttentionDistillation(student, teacher)
    plain = gradients(student, whole())
    student.gradient_checkpointing_enable({"use_reentrant": False})
    for name, gradient in gradients(student, whole()).items():
        torch.testing.assert_close(plain[name], gradient)


def test_reentrant_checkpointing_is_refused(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    student.train()
    student.gradient_checkpointing_enable({"use_reentrant": True})
    student.enable_input_require_grads()
    attention = AttentionDistillation(student, teacher)
    with pytest.raises(ValueError, match="'use_reentrant': False"):
        term(attention, student, teacher)


def test_adapters_are_part_of_the_relations(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    adapted = get_peft_model(student, LoraConfig(r=2, target_modules=["q_proj"]))
    attention = AttentionDistillation(adapted, teacher)
    before = term(attention, adapted, teacher)
    found = gradients(adapted, before)
    last = {name for name in found if "layers.1" in name and found[name].abs().max() > 0}
    assert len(last) == 1 and "q_proj.lora_B" in last.pop()  # B is 0, so A has no gradient yet
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    assert term(attention, adapted, teacher).item() != pytest.approx(before.item(), rel=1e-3)


def test_hooks_are_gone_afterwards(student: LlamaForCausalLM, teacher: LlamaForCausalLM) -> None:
    term(AttentionDistillation(student, teacher), student, teacher)
    for model in (student, teacher):
        assert not any(module._forward_hooks for module in model.modules())


def test_a_batch_without_pairs_of_tokens_is_zero(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    single = {"input_ids": IDS[:, :1], "attention_mask": torch.ones(2, 1, dtype=torch.long)}
    value = term(AttentionDistillation(student, teacher), student, teacher, single)
    value.backward()
    assert value.item() == 0


@pytest.mark.parametrize(
    "model",
    [
        Phi3ForCausalLM(
            Phi3Config(
                vocab_size=40,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                pad_token_id=0,
            )
        ),
        GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2)),
    ],
    ids=["phi3", "gpt2"],
)
def test_fused_projections_are_refused(model: nn.Module, teacher: LlamaForCausalLM) -> None:
    with pytest.raises(ValueError, match="attention_distillation_weight=0"):
        AttentionDistillation(model, teacher)
    with pytest.raises(ValueError, match="of the teacher|the teacher"):
        AttentionDistillation(teacher, model)


def test_layers_and_heads_that_do_not_fit_are_refused(
    student: LlamaForCausalLM, teacher: LlamaForCausalLM
) -> None:
    with pytest.raises(ValueError, match=r"layer is 2; the student .* has 2 layers: -2 to 1"):
        AttentionDistillation(student, teacher, layer=2)
    with pytest.raises(
        ValueError, match="is 16, which does not divide the 8 outputs of the student's k_proj"
    ):
        AttentionDistillation(student, teacher, heads=16)
