"""The settings of an evaluation, and its terms: those of them that the answers depend on.

Settings stand in scores.json, so that an evaluation can be done again. Terms decide whether answers that lie in a
folder may be continued: under other terms they would be mixed with those of another model, data or decoding. The
metrics are no terms: the same answers can be scored by others.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bitsft.evaluation.models import LoadedModel
from bitsft.evaluation.scoring import Embedder

_TERMS = (
    *("identity", "kind", "dtype", "device", "batch_size", "batch_tokens", "seed"),
    *("labels", "likelihood", "drop_long", "held_out"),
)


def settings_of(
    loaded: LoadedModel,
    *,
    max_new_tokens: int,
    batch_size: int,
    batch_tokens: int | None,
    generation_kwargs: Mapping[str, Any],
    seed: int,
    labels: Sequence[str] | None,
    likelihood: bool,
    drop_long: bool,
    held_out: Sequence[str],
    metrics: Sequence[str] | None,
    metric_tokenizer: str,
    embedder: Embedder | None,
) -> dict[str, Any]:
    """What scores.json says under `settings`: JSON-safe, with what was left to choose chosen.

    Args:
        loaded: The model.
        max_new_tokens: This and all others as for `evaluate_model`, but for those below.
        labels: Those of the classification, of the rows or as given; None without such rows.
        held_out: All texts, those that the data holds included. Their hash stands in the settings.

    Raises:
        ValueError, ImportError: There is no such tokenizer, or it is not installed.
    """
    from bitsft.metrics.tokenizers import resolve_tokenizer

    kwargs = {name: _plain(value) for name, value in sorted(generation_kwargs.items())}
    return {
        "kind": loaded.kind,
        "identity": loaded.identity,
        "dtype": loaded.dtype,
        "device": loaded.model.device.type,
        "max_new_tokens": max_new_tokens,
        "batch_size": batch_size,
        "batch_tokens": batch_tokens,
        "generation_kwargs": kwargs,
        "seed": seed,
        "labels": None if labels is None else list(labels),
        "likelihood": likelihood and labels is not None,
        "drop_long": drop_long,
        "held_out": _hash(held_out),
        "metrics": None if metrics is None else list(metrics),
        "metric_tokenizer": resolve_tokenizer(metric_tokenizer),
        "embedder": _embedder_name(embedder),
    }


def terms_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What answers depend on, out of what scores.json says.

    Args:
        stored: With `data`, `decoding` and `settings`.
    """
    settings = stored["settings"]
    own = {name: settings.get(name) for name in _TERMS}
    if not settings.get("generation_kwargs", {}).get("do_sample"):
        own["seed"] = None  # greedy decoding draws nothing
    return {
        "data": stored["data"].get("sha256"),
        "decoding": stored["decoding"],
        **own,
    }


def _hash(texts: Sequence[str]) -> str | None:
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest() if texts else None


def _embedder_name(embedder: Embedder | None) -> str | None:
    if embedder is None:
        return None
    if isinstance(embedder, str | os.PathLike):
        # a folder by its whole path: from another directory a relative one would be taken for a Hub id
        return str(Path(embedder).resolve()) if Path(embedder).exists() else os.fspath(embedder)
    return f"function:{getattr(embedder, '__qualname__', type(embedder).__qualname__)}"


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | type(None)) else repr(value)
