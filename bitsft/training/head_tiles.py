"""TRL's fused output head in tiles that fit a CPU's cache.

TRL (1.15 and later) computes the loss from hidden states and head without the whole logits, a tile of 4,096 tokens times
32,768 words of the vocabulary at a time. That suits a GPU; on a CPU the dozen element-wise passes over such a tile
each go through memory: 2,048 tokens, 8,192 words, two threads: 0.70 s, against 0.38 s in tiles of 512 words, and half a
gigabyte less at the peak (docs/performance.md).

TRL reads the width from a name of its own module while the loss is computed. It has no argument for it, so the name
holds another value for that long, and only for models on a CPU. Sums over the vocabulary are formed tile by tile in
float32: losses differ in their last bits. Where TRL has no such name (1.14, or a later one) nothing changes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import trl.trainer.utils as trl_utils

WIDTH_NAME = "_CHUNKED_LOGPROB_CHUNK_SIZE"
WORDS_OF_A_TILE = 512
"""256 to 1,024 are equally fast (docs/performance.md)."""


@contextmanager
def head_tiles_for(device: torch.device) -> Iterator[None]:
    """Inside, TRL's fused head works in tiles that suit the device.

    Args:
        device: Of the model.
    """
    width = getattr(trl_utils, WIDTH_NAME, None)
    if device.type != "cpu" or width is None:
        yield
        return
    setattr(trl_utils, WIDTH_NAME, min(width, WORDS_OF_A_TILE))
    try:
        yield
    finally:
        setattr(trl_utils, WIDTH_NAME, width)
