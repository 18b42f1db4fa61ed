"""Bytes of optimizer state; tests/training/test_trainable_table.py measures them on real optimizers."""

import pytest

from bitsft.memory.optimizer_state import optimizer_state_bytes


@pytest.mark.parametrize(
    ("optim", "expected"),
    [
        ("adamw_torch", 2 * 2 * 64 * 128),
        ("adamw_torch_fused", 32_768),
        ("adafactor", 4 * (64 + 128)),
        ("sgd", 0),
        ("rmsprop", 16_384),
        ("paged_adamw_32bit", 65_536),
        ("lion_32bit", 32_768),
        ("adamw_8bit", 2 * (8_192 + 4 * 32)),
        ("lion_8bit", 8_192 + 4 * 32),
        ("latent_free", 2 * 2 * 64 * 128),
        ("galore_adamw", None),
    ],
)
def test_a_bfloat16_matrix(optim: str, expected: int | None) -> None:
    assert optimizer_state_bytes(optim, (64, 128), 2) == expected


def test_what_depends_on_the_parameter() -> None:
    assert optimizer_state_bytes("latent_free", (64, 128), 2, is_ternary=True) == 8_192 + 4 * 192
    assert optimizer_state_bytes("adamw_8bit", (64, 128), 2, is_embedding=True) == 65_536
    assert optimizer_state_bytes("adamw_8bit", (4_095,), 2) == 8 * 4_095
    assert optimizer_state_bytes("adamw_8bit", (4_097,), 2) == 2 * (4_097 + 4 * 17)
    assert optimizer_state_bytes("adafactor", (7,), 2) == 28
    assert optimizer_state_bytes("adafactor", (5, 64, 128), 2) == 4 * 5 * (64 + 128)


@pytest.mark.parametrize(
    ("optim", "expected"),
    [
        ("adagrad", 2 * 4096),
        ("rmsprop_bnb", 4 * 4096),
        ("rmsprop_bnb_32bit", 4 * 4096),
        ("paged_lion_32bit", 4 * 4096),
        ("adamw_bnb_8bit", 2 * (4096 + 64)),
        ("paged_adamw_8bit", 2 * (4096 + 64)),
        ("paged_lion_8bit", 4096 + 64),
        ("rmsprop_bnb_8bit", 4096 + 64),
    ],
)
def test_the_smallest_vector_with_8_bits(optim: str, expected: int) -> None:
    assert optimizer_state_bytes(optim, (4096,), 2) == expected
