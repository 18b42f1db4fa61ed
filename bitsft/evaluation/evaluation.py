"""`Evaluation`: the answers of one model to some rows, and what they score; in memory and in a folder.

    FOLDER/predictions.jsonl   one `Answer` a line
    FOLDER/scores.json         what was evaluated, how, and the scores
    FOLDER/held_out.jsonl      where there are held-out texts: bytes, tokens and nats of each
    FOLDER/run.json            the record of the run (`bitsft runs`)

scores.json holds

    {"form": 1, "model": "...", "data": {"name", "sha256", "rows", ...}, "decoding": "...", "settings": {...},
     "generation": {"tokens", "seconds", "tokens_per_second", "padding_share", "idle_share"},
     "scores": {"all": {"rouge1": {"value", "low", "high", "signature", "goal", "rows"}, ...}, "raft": {...}}}

where `low` and `high` are the ends of the 95 % interval (null where a score knows no rows) and `rows` is how many
rows it is over, without those that it leaves out; a value that is not finite (the perplexity of a diverged model) is null. The scores in memory are made anew from the answers when a folder is loaded: they hold each
row's own score, which the file does not.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from bitsft.evaluation.answers import Answer, read_answers, write_answers
from bitsft.evaluation.held_out import HELD_OUT_FILE, HeldOut, read_held_out
from bitsft.evaluation.parts import ALL, HELD_OUT
from bitsft.evaluation.scoring import Embedder as Embedder
from bitsft.evaluation.scoring import rows_by_task, score_answers
from bitsft.metrics.score import Score, resampled, rows_counted

PREDICTIONS = "predictions.jsonl"
SCORES = "scores.json"
FORM = 1


@dataclass(frozen=True)
class Evaluation:
    """What a model made of some rows.

    Attributes:
        model: Its name: the path or Hub id that it was loaded from.
        answers: In the order of the rows.
        scores: `{"all": {name: Score}, task: {name: Score}}`, see `score_answers`.
        decoding: How texts were generated (`bitsft.metrics.generation.decoding_signature`).
        data: `name`, `sha256` and `rows` of what was evaluated on, and what else is known of it.
        settings: Of the evaluation: what is needed to do it again.
        folder: Where it lies; None in memory only.
        generation: Tokens, seconds and padding of the generation (`bitsft.evaluation.batches.Work`).
        held_out: What was measured on held-out texts; its scores stand under `"held_out"`.
    """

    model: str
    answers: tuple[Answer, ...]
    scores: dict[str, dict[str, Score]]
    decoding: str
    data: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    generation: dict[str, Any] = field(default_factory=dict)
    held_out: HeldOut | None = None

    def rows_of(self, key: str) -> list[int]:
        """Places among the answers of the rows that the scores under this key are over; none for `"held_out"`."""
        if key == ALL:
            return list(range(len(self.answers)))
        return rows_by_task(self.answers).get(key, [])

    def as_dict(self) -> dict[str, Any]:
        """What stands in scores.json."""
        return {
            "form": FORM,
            "model": self.model,
            "data": self.data,
            "decoding": self.decoding,
            "settings": self.settings,
            "generation": self.generation,
            "scores": {key: self._part(key) for key in self.scores},
        }

    def _part(self, key: str) -> dict[str, Any]:
        rows = self._count(key)
        part = self.scores[key]
        ends = intervals(part)
        counted = {name: rows_counted(score) for name, score in part.items()}
        return {
            name: {
                "value": score.value if math.isfinite(score.value) else None,
                "low": ends[name][0],
                "high": ends[name][1],
                "signature": score.signature,
                "goal": score.goal,
                "rows": rows if counted[name] is None else counted[name],
            }
            for name, score in part.items()
        }

    def _count(self, key: str) -> int:
        if key == HELD_OUT and self.held_out is not None:
            return len(self.held_out.bytes)
        return len(self.rows_of(key))

    def save(self, folder: str | os.PathLike[str]) -> dict[str, Any]:
        """Write predictions.jsonl and scores.json, each whole or not at all; the latter last.

        Args:
            folder: Is made where it does not exist.

        Returns:
            What stands in scores.json.
        """
        folder = Path(folder)
        stored = self.as_dict()
        folder.mkdir(parents=True, exist_ok=True)
        write_answers(self.answers, folder / PREDICTIONS)
        if self.held_out is not None:
            self.held_out.write(folder / HELD_OUT_FILE)
        with atomic_path(folder / SCORES) as part:
            text = json.dumps(stored, ensure_ascii=False, indent=2, allow_nan=False)
            part.write_text(text + "\n", encoding="utf-8")
        return stored


def intervals(scores: Mapping[str, Score]) -> dict[str, tuple[float | None, float | None]]:
    """The 95 % intervals of several scores over the same rows: those of `Score.interval`, with one set of draws.

    Args:
        scores: By name.

    Returns:
        Lower and upper end by name; None where a score knows no rows, or is not finite.
    """
    import numpy as np

    known = {
        name: score.statistics
        for name, score in scores.items()
        if score.statistics is not None
        and math.isfinite(score.value)
        and np.isfinite(score.statistics.table).all()
    }
    ends: dict[str, tuple[float | None, float | None]] = dict.fromkeys(scores, (None, None))
    if known:
        for name, values in zip(known, resampled(list(known.values())), strict=True):
            low, high = np.quantile(values, [0.025, 0.975])
            if math.isfinite(high - low):
                ends[name] = float(low), float(high)
    return ends


def load_evaluation(
    folder: str | os.PathLike[str], *, embedder: Embedder | None = None, rescore: bool = True
) -> Evaluation:
    """Read an evaluation that `bitsft eval` wrote; its answers are scored anew, with the same settings.

    Args:
        folder: With predictions.jsonl and scores.json.
        embedder: Of the cosine similarity, where it was a function or lies elsewhere now.
        rescore: False leaves the scores out.

    Returns:
        What `evaluate_model` returned when it was written.

    Raises:
        FileNotFoundError: When it holds no finished evaluation, or its embedder's folder is gone.
        ValueError: When a file is damaged or of another form.
        ImportError: When an extra that the scores need is not installed.
    """
    folder = Path(folder)
    stored = read_scores(folder)
    answers = read_answers(folder / PREDICTIONS)
    settings = stored["settings"]
    held_out = None
    if (folder / HELD_OUT_FILE).is_file():
        found = stored.get("scores", {}).get(HELD_OUT, {})
        signatures = {name: score["signature"] for name, score in found.items()}
        held_out = read_held_out(folder / HELD_OUT_FILE, signatures)
    scores: dict[str, dict[str, Score]] = {}
    if answers and rescore:
        scores = score_answers(
            answers,
            tokenizer=settings.get("metric_tokenizer", "auto"),
            embedder=_stored_embedder(folder, settings) if embedder is None else embedder,
            metrics=settings.get("metrics"),
            labels=settings.get("labels"),
        )
    if held_out is not None and rescore:
        scores[HELD_OUT] = held_out.scores
    return Evaluation(
        model=stored["model"],
        answers=tuple(answers),
        scores=scores,
        decoding=stored["decoding"],
        data=stored["data"],
        settings=settings,
        folder=folder,
        generation=stored.get("generation", {}),
        held_out=held_out,
    )


def _stored_embedder(folder: Path, settings: Mapping[str, Any]) -> str | None:
    named: str | None = settings.get("embedder")
    if named is None:
        return None
    if named.startswith("function:"):
        raise ValueError(
            f"{folder}: its cosine similarity is by {named.removeprefix('function:')}, a function, which no file "
            "can hold. Pass it: load_evaluation(folder, embedder=...)"
        )
    if os.path.isabs(named) and not Path(named).exists():
        raise FileNotFoundError(
            f"{folder}: its cosine similarity is by the embedder {named}, which is not there any more. Name where it "
            "lies now: --embedder FOLDER (load_evaluation(folder, embedder=...))"
        )
    return named


def read_scores(folder: Path) -> Mapping[str, Any]:
    """What scores.json of a folder holds.

    Raises:
        FileNotFoundError: When there is none.
        ValueError: When it is damaged or of another form.
    """
    path = folder / SCORES
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no {SCORES}, so no evaluation was finished there. Make one: "
            f"bitsft eval MODEL DATA --output {folder}"
        )
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}). Evaluate anew") from error
    if not isinstance(stored, dict) or stored.get("form") != FORM:
        raise ValueError(f"{path} is no evaluation of the form {FORM}, which this version reads")
    missing = [name for name in ("model", "data", "decoding", "settings") if name not in stored]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}. Evaluate anew")
    return stored
