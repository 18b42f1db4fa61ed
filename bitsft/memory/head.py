"""Bytes of TRL's fused output head while its gradient is computed, its largest moment.

The loss is formed from hidden states and head without the whole logits, in tiles of up to 4,096 tokens and `tile_words` words
(trl/kernels/chunked_logprob.py, `ChunkedLogProbFunction.backward` and `_backward_tile`):

    buffer         tokens of a tile · tile_words, in the dtype of autocast
    head's rows    tile_words · hidden in that dtype, where the head has another
    hidden         float32 gradient of all tokens
    on a CPU       seven float32 tensors and one of bool of the tile's size, or, afterwards, the float32 copies of tile and
                   head's rows that the products take; the larger of the two
    on a GPU       nothing: Triton works in the buffer, cuBLAS sums bf16 products in float32
    head trained   float32 gradient of the whole head, then its copy in the head's dtype where that is another
"""

from dataclasses import dataclass

TOKENS_OF_A_TILE = 4096
WORDS_OF_A_TILE = 32768
"""TRL's; both in trl/kernels/chunked_logprob.py and trl/trainer/utils.py."""

NARROW_WORDS_OF_A_TILE = 512
"""Those of `TernarySFTTrainer` on a CPU (bitsft/training/head_tiles.py; a test holds the two together)."""

_FLOAT, _HALF, _BOOL = 4, 2, 1


@dataclass(frozen=True)
class HeadBytes:
    """Bytes while the head's gradient is computed.

    Attributes:
        tiles: What is gone when it is done.
        gradient: Of the head's weight as it is accumulated, float32; 0 for a frozen head.
    """

    tiles: int
    gradient: int


def head_bytes(
    tokens: int,
    hidden: int,
    vocabulary: int,
    *,
    head_itemsize: int,
    is_trained: bool,
    narrow_tiles: bool,
    on_cpu: bool,
) -> HeadBytes:
    """The head's largest moment, under bf16 autocast.

    Args:
        tokens: Predicted tokens of a batch.
        hidden: Width of the hidden states.
        vocabulary: Rows of the head.
        head_itemsize: Bytes of a value of the head's weight.
        is_trained: Whether the head's weight gets a gradient.
        narrow_tiles: Whether `TernarySFTTrainer` narrows the tiles, which it does on a CPU.
        on_cpu: Whether the model is on a CPU.
    """
    width = NARROW_WORDS_OF_A_TILE if narrow_tiles and on_cpu else WORDS_OF_A_TILE
    rows = min(tokens, TOKENS_OF_A_TILE)
    tile = rows * min(width, vocabulary)
    words = min(width, vocabulary)
    passing = 0
    if head_itemsize != _HALF:
        passing += words * hidden * _HALF
    if on_cpu:
        copies = tile * _FLOAT + words * hidden * _FLOAT
        passing += max(tile * (7 * _FLOAT + _BOOL), copies)
    gradient = vocabulary * hidden * _FLOAT if is_trained else 0
    if is_trained and head_itemsize != _FLOAT:
        passing = max(passing, vocabulary * hidden * head_itemsize)
    tiles = rows * width * _HALF + tokens * hidden * _FLOAT + passing
    return HeadBytes(tiles, gradient)
