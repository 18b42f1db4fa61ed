"""A teacher's outputs in a folder: which teacher, and top-k log-probabilities for each trained token.

    cache.json                             format, version, and the facts: teacher, vocabulary, temperature, top_k
    shard-00000-0123abcd.safetensors ...   documents in no particular order; the name ends in a hash of their keys

A shard holds n documents with m trained tokens in all:

    keys       uint8   (n, 16)   `keys.document_key`
    starts     int64   (n + 1)   document i has rows starts[i] to starts[i + 1]
    ids        uint16  (m, k)    words, the likeliest first; int32 where the vocabulary is above 65,536
    log_probs  float16 (m, k)    natural logarithms, at the training temperature
    rest       float32 (m,)      of all other words together

A token costs 4k + 4 bytes, with a large vocabulary 6k + 4: 260 or 388 bytes at k = 64. Files appear whole or not
at all, and are never changed; a document that is looked up is read from the disk, and nothing else of its shard.

Limits: of two runs that write at once, neither sees the other's documents, so both ask the teacher; the hash in
the names keeps their shards apart. The index in memory takes about 150 bytes a document.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bitsft.data.common.atomic import atomic_path
from bitsft.training.distillation.cache.coarse import from_stored, to_stored
from bitsft.training.distillation.signals import TopKSignal

FACTS_FILE = "cache.json"
FORMAT = "bitsft-distillation-cache"
VERSION = 1
SMALL_VOCABULARY = 65_536
"""Largest vocabulary whose tokens fit into 16 bits."""
_OPEN_SHARDS = 64


class CacheStore:
    """The folder, opened.

    Args:
        folder: Made when the first shard is written.

    Raises:
        ValueError: The folder holds something else, or was written by a newer version.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.facts: dict[str, Any] | None = None
        self._place: dict[bytes, int] = {}
        self._shard: list[int] = []
        self._rows: list[tuple[int, int]] = []
        self._paths: list[Path] = []
        self._open_shard = lru_cache(_OPEN_SHARDS)(self._open)
        if (self.folder / FACTS_FILE).is_file():
            self.facts = self._read_facts()
            for path in sorted(self.folder.glob("shard-*.safetensors")):
                self._index(path)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise ValueError(
                f"distillation_cache: {self.folder} is not empty and holds no {FACTS_FILE}. Name a folder of its "
                "own; it is made if it does not exist."
            )

    def __contains__(self, key: bytes) -> bool:
        return key in self._place

    def __len__(self) -> int:
        """Number of documents."""
        return len(self._place)

    @property
    def tokens(self) -> int:
        """Number of trained tokens in all documents."""
        return sum(stop - start for start, stop in self._rows)

    @property
    def top_k(self) -> int:
        """Words kept for each token."""
        return int(self._known()["top_k"])

    @property
    def words(self) -> int:
        """Size of the vocabulary that the distributions are over."""
        return int(self._known()["vocabulary"]["size"])

    def check(self, expected: Mapping[str, Any]) -> None:
        """Compare the facts it was made with to those of this run.

        Args:
            expected: Nested mappings of facts; those that the cache records beside them do not matter.

        Raises:
            ValueError: They differ; the message says in what.
        """
        if self.facts is None:
            return
        stored, wanted = _flat(self.facts), _flat(expected)
        wrong = [
            f"{name}: {_short(stored.get(name, 'not recorded'))} there, {_short(value)} here"
            for name, value in wanted.items()
            if name not in stored or stored[name] != value
        ]
        if wrong:
            raise ValueError(
                f"distillation_cache: {self.folder} was made for something else ({'; '.join(wrong)}). Name another "
                "folder, or delete this one to have it made anew."
            )

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write the facts, unless they stand there; before the first shard.

        Args:
            facts: `top_k`, `temperature`, `vocabulary` (with its `size`), and what else tells this cache from another.
        """
        if self.facts is None and (self.folder / FACTS_FILE).is_file():
            self.facts = self._read_facts()  # of another run that began since
        if self.facts is not None:
            self.check(facts)
            return
        content = {"format": FORMAT, "version": VERSION, "facts": dict(facts)}
        with atomic_path(self.folder / FACTS_FILE) as part:
            part.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
        self.facts = self._read_facts()

    def add(self, keys: Sequence[bytes], rows: Sequence[TopKSignal]) -> None:
        """Write one shard.

        Args:
            keys: Of the documents, each new to the cache.
            rows: Their trained tokens' distributions, on any device.
        """
        from safetensors.numpy import save_file

        small = self.words <= SMALL_VOCABULARY
        ids = torch.cat([row.indices for row in rows]).cpu().numpy()
        stored = [to_stored(row) for row in rows]
        lengths = [0, *(len(row.indices) for row in rows)]
        tensors: dict[str, np.ndarray] = {
            "keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16),
            "starts": np.cumsum(lengths, dtype=np.int64),
            "ids": ids.astype(np.uint16 if small else np.int32),
            "log_probs": torch.cat([log_probs for log_probs, _ in stored]).cpu().numpy(),
            "rest": torch.cat([rest for _, rest in stored]).cpu().numpy(),
        }
        number = 1 + max((int(path.stem.split("-")[1]) for path in self._paths), default=-1)
        own = blake2b(tensors["keys"].tobytes(), digest_size=4).hexdigest()
        path = self.folder / f"shard-{number:05d}-{own}.safetensors"
        with atomic_path(path) as part:
            save_file(tensors, part)
        self._index(path)

    def rows(self, key: bytes) -> TopKSignal:
        """The distributions of one document's trained tokens, on the CPU.

        Raises:
            KeyError: The document is not in the cache.
        """
        place = self._place[key]
        start, stop = self._rows[place]
        shard = self._open_shard(self._shard[place])
        ids, log_probs, rest = (
            shard.get_slice(name)[start:stop] for name in ("ids", "log_probs", "rest")
        )
        return from_stored(
            torch.from_numpy(ids.astype(np.int64)),
            torch.from_numpy(log_probs),
            torch.from_numpy(rest),
        )

    def _known(self) -> dict[str, Any]:
        if self.facts is None:
            raise ValueError(
                f"distillation_cache: {self.folder} is empty; with several machines it must be a folder that all of "
                "them see."
            )
        return self.facts

    def _open(self, shard: int) -> Any:
        from safetensors import safe_open

        return safe_open(self._paths[shard], framework="numpy")

    def _index(self, path: Path) -> None:
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as shard:
            keys = shard.get_tensor("keys")
            starts = shard.get_tensor("starts").tolist()
        number = len(self._paths)
        self._paths.append(path)
        for place, key in enumerate(keys):
            self._place[key.tobytes()] = len(self._rows)
            self._shard.append(number)
            self._rows.append((starts[place], starts[place + 1]))

    def _read_facts(self) -> dict[str, Any]:
        path = self.folder / FACTS_FILE
        content = json.loads(path.read_text("utf-8"))
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise ValueError(
                f"distillation_cache: {path} has format {content.get('format')!r}, version "
                f"{content.get('version')!r}; this bitsft reads {FORMAT!r}, version {VERSION}. Name another folder."
            )
        facts: dict[str, Any] = content["facts"]
        return facts


def _flat(facts: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{above}{name}."))
        else:
            flat[f"{above}{name}"] = value
    return flat


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
