"""What bitnet.cpp reads: ternary matrices as i2_s, and the two kinds of models that it computes with them.

An i2_s matrix (tensor type 36) of n = rows · width values, the width a multiple of 128:

    n/4 bytes   2-bit codes u = code + 1, in groups of 128 values, 32 bytes each, row after row:
                value j of a group is in byte j mod 32, shifted left by 6 - 2·(j div 32)
    4 bytes     γ, float32: value = γ·(u - 1)
    28 bytes    zeros

    general.architecture   model_type       what is computed
    llama                  llama, mistral   SiLU, no sub-norms; rows of q and k reordered for interleaved rotary embeddings
    bitnet-b1.58           bitnet           squared ReLU, sub-norms before o_proj and down_proj, output matrix = embeddings

Both round the activations of ternary layers to int8 per token, as `BitLinear158` does with `activation_bits=8`.

Sources, all of microsoft/BitNet: `quantize_i2_s` in src/ggml-bitnet-mad.cpp (AVX branch with ACT_PARALLEL, the default of
include/gemm-config.h); its llama.cpp (Eddie-Wang1120/llama.cpp): `ggml_nbytes` for the size, `llm_load_tensors`,
`build_llama`, `build_bitnet_158`; utils/convert-hf-to-gguf-bitnet.py. ik_llama.cpp has the same layout and graph.

Limits: the one layout that published files have. bitnet.cpp's ARM branch since January 2026 takes groups of 64, and a
build without ACT_PARALLEL four rows in a byte; neither reads published files, see docs/formats/i2_s.md. `build_bitnet_158`
takes the embeddings as output matrix even where a file has another one, so such models are refused; so are rotary
embeddings that were not tried: longrope in Llama, scaled ones in `bitnet-b1.58`.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bitsft.checkpoint.gguf.architectures import Architecture, architecture_of
from bitsft.checkpoint.gguf.blocks import CHUNK_ELEMENTS, Bytes, Codes, Scale, TensorType
from bitsft.checkpoint.gguf.families import BITNET, FAMILIES, LLAMA, Family
from bitsft.checkpoint.source import TernarySource

GROUP = 128
"""Values in a group of an i2_s row."""

TAIL = 32
"""Bytes after the codes: γ and zeros."""

I2_S = TensorType("I2_S", 36, GROUP, 32, 40)
"""`block_bytes` and a tail of 32 bytes for the whole matrix."""

SHIFTS = (6, 4, 2, 0)

READER = "bitnet.cpp"

BITNET_CPP_LLAMA = replace(
    LLAMA, ropes=frozenset({"default", "linear", "yarn", "llama3"}), reader=READER
)
BITNET_B158 = replace(
    BITNET,
    name="bitnet-b1.58",
    activations=("relu2",),
    remedies={"silu": 'format="gguf" (llama.cpp computes SiLU there) or format="transformers"'},
    ropes=frozenset({"default"}),
    reader=READER,
)

I2_S_FAMILIES: dict[str, Family] = {
    "llama": BITNET_CPP_LLAMA,
    "mistral": BITNET_CPP_LLAMA,
    "bitnet": BITNET_B158,
}
"""By `model_type`."""

# fmt: off
PRE_TOKENIZERS_OF_2024 = frozenset({
    "default", "llama3", "llama-v3", "llama-bpe", "deepseek-llm", "deepseek-coder", "falcon",
    "mpt", "starcoder", "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es",
    "jina-v2-de", "jina-v2-code", "refact", "command-r", "qwen2", "stablelm2", "olmo", "dbrx",
    "smaug-bpe", "poro-chat", "chatglm-bpe", "viking", "jais", "tekken", "smollm", "codeshell",
    "bloom", "gpt3-finnish", "exaone", "chameleon",
})
# fmt: on
"""Values of `tokenizer.ggml.pre` that the bitnet.cpp of October 2024 loads; it stops at others."""


def i2_s_architecture(source: TernarySource) -> Architecture:
    """Describe a model for bitnet.cpp, or refuse it; reads no weights.

    Args:
        source: The model, or its outline.

    Returns:
        Keys, tensors and warnings.

    Raises:
        ValueError: bitnet.cpp would compute something else, or i2_s cannot hold a layer. The message names the layer
            or option, its value, and formats that hold it.
    """
    model_type = source.model.config.model_type
    family = I2_S_FAMILIES.get(model_type)
    if family is None:
        elsewhere = 'format="gguf" or ' if model_type in FAMILIES else ""
        raise ValueError(
            f"i2_s export knows models of type {', '.join(I2_S_FAMILIES)}, as bitnet.cpp's own converter does; this is "
            f"{model_type!r} ({type(source.model).__name__}). Nothing was written; export it with {elsewhere}"
            'format="transformers".'
        )
    architecture = architecture_of(source, family)
    # squared ReLU has no other GGUF reader
    elsewhere = "" if family is BITNET_B158 else 'format="gguf" or '
    for name, layer in source.layers.items():
        if layer.in_features % GROUP:
            raise _refusal(
                name,
                f"is {layer.out_features} x {layer.in_features}, and bitnet.cpp reads rows in groups of {GROUP} values",
                f'{elsewhere}format="transformers"',
            )
        if layer.granularity != "tensor":
            raise _refusal(
                name,
                f"has one scale per {layer.granularity} (granularity={layer.granularity!r}), and an i2_s matrix has one",
                f'{elsewhere}format="dense"',
            )
        if layer.activation_bits != 8:
            raise _refusal(
                name,
                f"leaves its activations in full precision (activation_bits={layer.activation_bits}), and bitnet.cpp "
                "rounds them to int8",
                'format="dense"',
            )
    return architecture


def _refusal(layer: str, problem: str, remedy: str) -> ValueError:
    return ValueError(f"{layer} {problem}. Nothing was written; export it with {remedy}.")


def i2_s_bytes(codes: Codes, scale: Scale) -> Bytes:
    """A ternary matrix as the bytes of an i2_s tensor.

    Args:
        codes: int8 `[rows, width]` in {-1, 0, 1}.
        scale: γ, float32, one value.

    Returns:
        uint8 `[rows * width / 4 + 32]`.

    Raises:
        ValueError: The width is no multiple of 128, a code is not in {-1, 0, 1}, or there is more than one scale.
    """
    return np.concatenate([chunk.reshape(-1) for chunk in i2_s_chunks(codes, scale)])


def i2_s_codes(data: Bytes, rows: int, width: int) -> tuple[Codes, Scale]:
    """The inverse of `i2_s_bytes`.

    Args:
        data: uint8 `[rows * width / 4 + 32]`.
        rows: Rows of the matrix.
        width: Columns of the matrix.

    Returns:
        `(codes, scale)`: int8 `[rows, width]`, float32 `()`.

    Raises:
        ValueError: The shape and the number of bytes do not go together, or a code is 3.
    """
    count = rows * width
    if width % GROUP or data.shape != (count // 4 + TAIL,):
        raise ValueError(
            f"{data.size} bytes are no i2_s matrix of {rows} x {width}: it has rows of whole groups of {GROUP} values "
            f"and {count // 4 + TAIL} bytes."
        )
    groups = data[: count // 4].reshape(-1, GROUP // 4)
    codes = np.empty((len(groups), 4, GROUP // 4), np.int8)
    for part, shift in enumerate(SHIFTS):
        codes[:, part] = (groups >> shift & 3).astype(np.int8) - 1
    if count and codes.max() > 1:
        raise ValueError(
            "a 2-bit code is 3, and a ternary matrix has 0, 1 and 2 (for -1, 0 and 1): damaged data."
        )
    scale = data[count // 4 : count // 4 + 4].view("<f4").astype(np.float32)
    return codes.reshape(rows, width), scale.reshape(())


def i2_s_chunks(codes: Codes, scale: Scale) -> Iterator[Bytes]:
    """`i2_s_bytes` some rows at a time, so that memory stays at a few times `CHUNK_ELEMENTS`.

    Args:
        codes: int8 `[rows, width]` in {-1, 0, 1}.
        scale: γ, float32, one value.

    Yields:
        uint8 arrays; the last one holds γ.

    Raises:
        ValueError: As `i2_s_bytes`.
    """
    rows, width = codes.shape
    if width % GROUP or scale.size != 1:
        raise ValueError(
            f"i2_s holds matrices with rows of whole groups of {GROUP} values and one scale; this one is {rows} x "
            f"{width} with {scale.size} scale(s)."
        )
    step = max(1, CHUNK_ELEMENTS // width)
    for start in range(0, rows, step):
        chunk = codes[start : start + step]
        if chunk.min() < -1 or chunk.max() > 1:
            raise ValueError("i2_s holds codes in {-1, 0, 1}; this matrix has others.")
        parts = (chunk + np.int8(1)).view(np.uint8).reshape(-1, 4, GROUP // 4)
        packed = np.zeros((len(parts), GROUP // 4), np.uint8)
        for part, shift in enumerate(SHIFTS):
            packed |= parts[:, part] << np.uint8(shift)
        yield packed
    tail = np.zeros(TAIL, np.uint8)
    tail[:4] = scale.astype("<f4").reshape(1).view(np.uint8)
    yield tail
