"""Cosine similarity of sentence embeddings, and what to use where there is no embedder.

    cos(a, b) = a·b / (|a| |b|), averaged over the rows; -1 to 1, where 1 is "same direction".

With an embedder the score is named `cosine`. Without one it is `cosine_tfidf_jamo` (`tfidf.py`):
another quantity, so another name. An embedder is only as good as its vocabulary: a tokenizer that
turns words into [UNK] gives unrelated texts the same vector (all-MiniLM-L6-v2 reaches 1.0 for two
unrelated Korean sentences), so the share of such words is measured on the texts at hand, stands in
the signature, and is warned about above 5 %.
"""

import functools
import inspect
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft._extras import require
from bitsft.metrics.pairs import is_blank, read_pairs
from bitsft.metrics.score import Score, mean_score
from bitsft.metrics.tfidf import NGRAM_SIZES, tfidf_similarities

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

    Embed = Callable[[list[str]], np.ndarray]

UNK_LIMIT = 0.05


def cosine_similarity(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    embedder: "str | os.PathLike[str] | Embed | None" = None,
    prefix: str = "",
    batch_size: int = 32,
    device: str | None = None,
) -> dict[str, Score]:
    """Mean cosine similarity of n predictions to one reference each.

    Args:
        predictions: n texts.
        references: n texts.
        embedder: A folder holding a sentence-transformers model (no network), a Hub id (downloads),
            or a function from a list of m texts to an array [m, d]. None compares jamo n-grams.
        prefix: Put before every text, for embedders trained with one, e.g. `"query: "`.
        batch_size: Texts per forward pass of a sentence-transformers model.
        device: Where that model runs, e.g. `"cpu"`; None leaves it to sentence-transformers.

    Returns:
        `{"cosine": Score}` with an embedder, else `{"cosine_tfidf_jamo": Score}`.

    Raises:
        ValueError: When the lists are empty or differ in length, or an embedding has the wrong
            shape or holds NaN or infinity.
        FileNotFoundError: When a `PathLike` embedder does not exist.
        ImportError: When a model is named and the extra `cosine` is not installed.

    Warns:
        UserWarning: When more than 5 % of the words are [UNK] to the model's tokenizer.
    """
    predictions, references = read_pairs(predictions, references)
    if embedder is None:
        values = tfidf_similarities(predictions, references)
        sizes = f"{NGRAM_SIZES[0]}-{NGRAM_SIZES[-1]}"
        signature = f"nrefs:1|unit:jamo|n:{sizes}|idf:references|case:lc|norm:nfc|agg:mean"
        name = "cosine_tfidf_jamo"
        return {name: mean_score(name, values, signature)}

    texts = list(dict.fromkeys(prefix + text for text in predictions + references))
    if isinstance(embedder, (str, os.PathLike)):
        model = _load(_model_name(embedder), device)
        described = _describe_model(model, embedder, predictions + references)
        vectors = model.encode(texts, batch_size=batch_size, show_progress_bar=False)
    else:
        function = embedder if inspect.isroutine(embedder) else type(embedder)
        described = f"embedder:{function.__qualname__}|unk:unmeasured"
        vectors = embedder(texts)
    unit = dict(zip(texts, _unit_rows(vectors, texts), strict=True))

    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        similarity = float(unit[prefix + prediction] @ unit[prefix + reference])
        if is_blank(prediction):
            similarity = 0.0
        elif prediction == reference:
            similarity = 1.0
        rows.append(min(max(similarity, -1.0), 1.0))
    signature = f"nrefs:1|{described}|prefix:{prefix!r}|norm:nfc|agg:mean"
    return {"cosine": mean_score("cosine", rows, signature)}


def unk_share(tokenizer: Any, texts: Sequence[str]) -> float:
    """Share of the words in `texts` of which a part becomes [UNK].

    Args:
        tokenizer: A transformers tokenizer.
        texts: Texts, split at whitespace.

    Returns:
        0 to 1; 0 for tokenizers without an unknown token (byte-level ones).
    """
    words = Counter(word for text in texts for word in text.split())
    if tokenizer.unk_token_id is None or not words:
        return 0.0
    encoded = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    unknown = sum(
        count
        for ids, count in zip(encoded, words.values(), strict=True)
        if tokenizer.unk_token_id in ids
    )
    return unknown / words.total()


@functools.lru_cache(maxsize=2)
def _load(name: str, device: str | None) -> "SentenceTransformer":
    sentence_transformers = require("sentence_transformers", "cosine")
    return sentence_transformers.SentenceTransformer(
        name,
        device=device,
        local_files_only=Path(name).exists(),
        model_kwargs={"use_safetensors": True},  # no pickle
    )


def _model_name(embedder: str | os.PathLike[str]) -> str:
    if isinstance(embedder, os.PathLike) and not Path(embedder).exists():
        raise FileNotFoundError(
            f"embedder={os.fspath(embedder)!r} does not exist: give the folder of a "
            "sentence-transformers model, or a Hub id as a string"
        )
    return os.fspath(embedder)


def _describe_model(
    model: "SentenceTransformer", embedder: str | os.PathLike[str], texts: list[str]
) -> str:
    """Signature of a loaded model; warns when its tokenizer cannot read the texts."""
    from transformers import PreTrainedTokenizerBase

    name = Path(embedder).name if Path(embedder).exists() else os.fspath(embedder)
    share = "unmeasured"  # static embeddings bring a tokenizer of another kind
    if isinstance(model.tokenizer, PreTrainedTokenizerBase):
        unknown = unk_share(model.tokenizer, texts)
        share = f"{unknown:.1%}"
        if unknown > UNK_LIMIT:
            warnings.warn(
                f"{share} of the words are [UNK] to the tokenizer of embedder {name!r}: its cosine "
                "says nothing about these texts (unrelated ones can reach 1.0). Use an embedder "
                "trained on their language, or embedder=None for cosine_tfidf_jamo.",
                UserWarning,
                stacklevel=3,
            )
    version = require("sentence_transformers", "cosine").__version__
    return f"embedder:{name}|unk:{share}|version:sentence-transformers-{version}"


def _unit_rows(vectors: Any, texts: list[str]) -> "np.ndarray":
    """The rows of an embedding scaled to length 1, in float64; zero rows stay zero."""
    import numpy as np

    array = np.asarray(vectors, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != len(texts):
        raise ValueError(
            f"the embedder returned shape {array.shape} for {len(texts)} texts: "
            f"({len(texts)}, d) is needed"
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise ValueError(
            f"the embedder returned NaN or infinity for {bad.size} texts, first for "
            f"{texts[bad[0]][:40]!r}: check its precision (float16 overflows) or that text"
        )
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    return array / np.where(norms == 0, 1.0, norms)
