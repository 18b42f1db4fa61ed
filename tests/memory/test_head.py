import pytest
import torch
import trl.trainer.utils as trl_utils
from trl.kernels.chunked_logprob import TOKEN_CHUNK_SIZE

from bitsft.memory.head import (
    NARROW_WORDS_OF_A_TILE,
    TOKENS_OF_A_TILE,
    WORDS_OF_A_TILE,
    HeadBytes,
    head_bytes,
)
from bitsft.memory.live_bytes import LiveBytes
from bitsft.training.head_tiles import WIDTH_NAME
from bitsft.training.head_tiles import WORDS_OF_A_TILE as NARROW


def test_the_tiles_are_those_of_trl_and_of_the_trainer() -> None:
    assert TOKENS_OF_A_TILE == TOKEN_CHUNK_SIZE
    assert getattr(trl_utils, WIDTH_NAME) == WORDS_OF_A_TILE
    assert NARROW_WORDS_OF_A_TILE == NARROW


def test_the_sum_on_a_cpu() -> None:
    found = head_bytes(
        100, 64, 1000, head_itemsize=4, is_trained=True, narrow_tiles=True, on_cpu=True
    )
    buffer, hidden, rows = 100 * 512 * 2, 100 * 64 * 4, 512 * 64 * 2
    assert found == HeadBytes(buffer + hidden + rows + 100 * 512 * 29, 1000 * 64 * 4)


def test_a_gpu_works_in_the_buffer() -> None:
    found = head_bytes(
        5000, 64, 100_000, head_itemsize=2, is_trained=False, narrow_tiles=True, on_cpu=False
    )
    assert found == HeadBytes(4096 * 32_768 * 2 + 5000 * 64 * 4, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("is_trained", [True, False])
@pytest.mark.parametrize(("tokens", "hidden"), [(300, 64), (40, 512)])
def test_it_is_what_trl_allocates(
    dtype: torch.dtype, is_trained: bool, tokens: int, hidden: int
) -> None:
    weight = torch.zeros(2048, hidden, dtype=dtype, requires_grad=is_trained)
    states = torch.zeros(tokens, hidden, dtype=dtype, requires_grad=True)
    targets = torch.zeros(tokens, dtype=torch.long)
    live = LiveBytes()
    for tensor in (weight.detach(), states.detach(), weight, states, targets):
        live.add(tensor)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logprobs, *_ = trl_utils._ChunkedLogProbFunction.apply(
            states, weight, None, targets, 1.0, 512, None, 1.0, ("log_probs", "entropy", "is_top1")
        )
    before = live.now
    with live:
        logprobs.sum().backward()
    foretold = head_bytes(
        tokens,
        hidden,
        2048,
        head_itemsize=dtype.itemsize,
        is_trained=is_trained,
        narrow_tiles=True,
        on_cpu=True,
    )
    measured = live.peak - before
    assert foretold.tiles + foretold.gradient == pytest.approx(measured, rel=0.1)


def test_a_trained_head_in_bfloat16_is_copied_once_its_gradient_is_whole() -> None:
    found = head_bytes(
        10, 64, 100_000, head_itemsize=2, is_trained=True, narrow_tiles=False, on_cpu=False
    )
    copy = 100_000 * 64 * 2
    assert found == HeadBytes(10 * 32_768 * 2 + 10 * 64 * 4 + copy, 100_000 * 64 * 4)


def test_wide_tiles_on_a_cpu() -> None:
    found = head_bytes(
        100, 64, 1000, head_itemsize=4, is_trained=False, narrow_tiles=False, on_cpu=True
    )
    buffer, hidden, rows = 100 * 32_768 * 2, 100 * 64 * 4, 1000 * 64 * 2
    assert found == HeadBytes(buffer + hidden + rows + 100 * 1000 * 29, 0)
