"""An evaluation's run.json: the model, the data and the settings, and what came out (`bitsft.runs`).

Rows and standard tasks that go to one folder are one evaluation there: its record has a session for each.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bitsft.evaluation.models import LoadedModel
from bitsft.evaluation.unfinished import PART
from bitsft.runs import Recorder, describe_model, recorded, runs_behind


@contextlib.contextmanager
def recorded_evaluation(
    folder: Path | None,
    loaded: LoadedModel,
    data: Mapping[str, Any],
    decoding: str,
    settings: Mapping[str, Any],
    *,
    scored_again: bool = False,
) -> Iterator[Recorder]:
    """The record of the run while it runs, in its folder; without a folder what it is told goes nowhere.

    Args:
        folder: Of the evaluation. Answers that lie there unfinished make the run a resumed one.
        loaded: The model.
        data: `name`, `sha256`, `rows` and the rest of `Evaluation.data`.
        decoding: How texts are generated, see `decoding_signature`.
        settings: What `settings_of` returned.
        scored_again: The evaluation in the folder is finished, and is only scored: its record is continued.
    """
    if folder is None:
        yield Recorder(None)
        return
    with recorded(
        folder,
        "eval",
        model=_described(loaded),
        data=[{"role": "eval", **data}],
        settings={"evaluation": settings, "decoding": {"signature": decoding}},
        seed=settings["seed"],
        parents=runs_behind(loaded.name),
        resumed=scored_again or (folder / PART).exists(),
        session={"scored_again": True} if scored_again else None,
    ) as run:
        yield run


def replace_scores(
    run: Recorder,
    stale: Iterable[str],
    scores: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> None:
    """Put scores in the place of earlier ones, with the settings that they were made under.

    Args:
        run: The record; scores of standard tasks stay in it.
        stale: The keys of the earlier scores.
        scores: What scores.json says now.
        settings: The same.
    """
    if run.record is not None:
        for key in stale:
            run.record.scores.pop(key, None)
        run.record.settings["evaluation"] = dict(settings)
    run.result(scores=scores)


@contextlib.contextmanager
def recorded_tasks(
    folder: Path, loaded: LoadedModel, settings: Mapping[str, Any]
) -> Iterator[Recorder]:
    """The same of standard tasks; the record of an evaluation that is in the folder is continued.

    Args:
        folder: Where the scores go.
        loaded: The model.
        settings: What decides the scores.
    """
    with recorded(
        folder,
        "eval",
        model=_described(loaded),
        settings={"standard_tasks": dict(settings)},
        parents=runs_behind(loaded.name),
        resumed=True,
        session={"standard_tasks": dict(settings)},
    ) as run:
        yield run


def _described(loaded: LoadedModel) -> dict[str, Any]:
    # what is no folder here has no weights whose names and sizes could be described
    model = loaded.name if Path(loaded.name).is_dir() else loaded.model
    return {**describe_model(model, loaded.name), "identity_sha256": loaded.identity}
