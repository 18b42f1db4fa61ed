"""`unit_vectors`: the caller's sentence embedder, asked with care.

An embedder is a function `embed(texts) -> array of shape (texts, dimensions)`, e.g. the `encode` of a
sentence-transformers model. Values that come from it depend on the model, so a *signature* beside it
names the model in reports. The cosine of two texts is the dot product of their vectors of length 1.

Limits: an embedder that does not know Korean is worse than none: all-MiniLM-L6-v2 gives unrelated Korean
sentences a cosine of 1.000. Try yours on ten pairs first.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Embed: TypeAlias = Callable[[list[str]], "npt.ArrayLike"]


def unit_vectors(embed: Embed, texts: Sequence[str], name: str = "") -> "npt.NDArray[np.float32]":
    """Return the embeddings of texts, made to have length 1; 0 where the embedder gives only zeros.

    Args:
        embed: The embedder; called once, with all texts.
        texts: The texts.
        name: The embedder's name, for errors.

    Raises:
        ValueError: When it returns another shape, or numbers that are not finite.
    """
    import numpy as np

    found = np.asarray(embed(list(texts)), dtype=np.float32)
    where = f"{name}: " if name else ""
    if found.ndim != 2 or len(found) != len(texts):
        raise ValueError(
            f"{where}embed returned an array of shape {found.shape} for {len(texts)} texts; it must "
            "return one row of numbers for each text"
        )
    if not np.isfinite(found).all():
        raise ValueError(
            f"{where}embed returned numbers that are not finite (NaN or infinite); give it texts that "
            "it can embed"
        )
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, length, out=np.zeros_like(found), where=length > 0)
