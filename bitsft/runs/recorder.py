"""Writing the record of a run: at its start, while it goes on, and at its end.

An evaluation or a comparison:

    from bitsft.runs import recorded

    with recorded(
        folder, "eval", model=model_path, data={"eval": "test.jsonl"},
        settings={"generation": {"max_new_tokens": 64}}, seed=0, resumed=was_there_before,
    ) as run:
        ...
        run.result(scores=evaluation.scores, rows=len(answers))     # {task: {metric: Score or number or dict}}
        run.time(tokens_per_second=812.0)

    with recorded(folder, "compare", model=None, data={"eval": "test.jsonl"},
                  parents=[*runs_behind(base, "base"), *runs_behind(tuned, "tuned")]) as run:
        run.result(scores={"all": {"rouge1": {"before": 0.54, "value": 0.78, "goal": "higher"}}})

`folder/run.json` is there, with status `running`, as soon as the block is entered. It ends as `finished`; as
`failed` (with the error's own words) or `interrupted` when an exception leaves the block, which goes on its
way. A run that is killed stays `running`.

Where the folder holds a record already: of another kind, the new one is called `run.KIND.json`; of the same
kind, it is continued when `resumed` is true, and else kept beside the new one as `run.ID.json`.

Whatever goes wrong while a record is made or written is logged as a warning and never raised.
"""

import logging
import os
import secrets
import sys
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bitsft.runs.base_model import describe_model, runs_behind
from bitsft.runs.contents import describe_data, files_named
from bitsft.runs.machine import code_state, hardware, installed_versions, peak_memory
from bitsft.runs.record import RUN, Kind, RunRecord, Status, read_run, write_run
from bitsft.runs.settings import plain, without_secrets

logger = logging.getLogger(__name__)


class Recorder:
    """An open record. Made by `start_record` or `recorded`.

    Attributes:
        record: What was recorded so far; None where recording is off or failed at the start.
    """

    def __init__(self, record: RunRecord | None, began: float = 0.0) -> None:
        self.record = record
        self._began = began
        self._seconds_before = 0.0
        if record is not None:
            seconds = record.time.get("seconds", 0.0)
            self._seconds_before = seconds if isinstance(seconds, int | float) else 0.0

    def result(
        self, *, scores: Mapping[str, Mapping[str, Any]] | None = None, **values: Any
    ) -> None:
        """Add to the result.

        Args:
            scores: Task -> metric -> a `Score`, a number, or `{"value", "before", "low", "high",
                "signature", "goal", "rows"}` of which only the value is needed.
            **values: Anything else that JSON can hold.
        """
        if self.record is None:
            return
        if scores is not None:
            own = self.record.result.setdefault("scores", {})
            for task, metrics in scores.items():
                found = {str(name): plain_score(score) for name, score in metrics.items()}
                own.setdefault(str(task), {}).update(found)
        self.record.result.update(plain(values))

    def time(self, **values: float) -> None:
        """Add seconds or rates, e.g. `tokens_per_second`."""
        if self.record is not None:
            self.record.time.update(plain(values))

    def save(self) -> None:
        """Write what is known by now; until the run has ended, its time and memory are brought up to date."""
        if self.record is None:
            return
        if self.record.status == "running":
            self._measure(self.record)
        try:
            self._take_notes(self.record)
            write_run(self.record)
        except (OSError, ValueError, TypeError) as error:
            logger.warning("The record of this run could not be written: %s", error)

    def finish(self, status: Status = "finished", error: str | None = None) -> None:
        """Close the record.

        Args:
            status: How it ended.
            error: What went wrong.
        """
        if self.record is None:
            return
        self._measure(self.record)
        self.record.status = status
        self.record.ended = now()
        self.record.sessions[-1].update(status=status, ended=self.record.ended)
        if error is not None:
            self.record.sessions[-1]["error"] = plain(error)
        self.save()

    def _take_notes(self, record: RunRecord) -> None:
        """`bitsft runs note` may have written into the file meanwhile."""
        if record.path is None or not record.path.is_file():
            return
        try:
            found = read_run(record.path)
        except ValueError:
            return  # damaged from outside; it is about to be replaced
        if found.id == record.id:
            record.notes, record.goal = found.notes, found.goal

    def _measure(self, record: RunRecord) -> None:
        seconds = clock.perf_counter() - self._began
        record.time["seconds"] = round(self._seconds_before + seconds, 3)
        record.sessions[-1]["seconds"] = round(seconds, 3)
        _keep_peaks(record.memory, peak_memory())


def start_record(
    folder: str | os.PathLike[str],
    kind: Kind,
    *,
    name: str | None = None,
    model: Any = None,
    data: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    parents: Sequence[Mapping[str, Any]] | None = None,
    resumed: bool = False,
    enabled: bool = True,
    session: Mapping[str, Any] | None = None,
) -> Recorder:
    """Describe a run and write its record with status `running`.

    Args:
        folder: Where the run writes.
        kind: "train", "eval" or "compare".
        name: Default: the folder's name.
        model: What it starts from: a path, Hub id, model in memory, a description that is complete already
            (a dict), or None.
        data: Role -> what `describe_data` takes; or complete descriptions.
        settings: Groups of settings by name; they are made JSON-safe, secrets are left out.
        seed: The seed.
        parents: Default: the run that made `model`.
        resumed: Continue the record in the folder, if one of this kind is there.
        enabled: False records nothing; all methods then do nothing.
        session: More about this start, e.g. `{"from_step": 100}`.

    Returns:
        The open record; `finish()` closes it. Nothing is raised.
    """
    if not enabled:
        return Recorder(None)
    began = clock.perf_counter()
    try:
        earlier, path = _place(Path(folder), kind)
        described = _describe(folder, kind, name, model, data, settings, seed, parents)
        opened = _session(described, session or {})
        if resumed and earlier is not None:
            record = earlier
            opened["differs"] = _differs(earlier, described)
            record.status, record.ended = "running", None
        else:
            if earlier is not None and earlier.path is not None:
                earlier.path.replace(path.with_name(f"run.{earlier.id}.json"))
            record = described
        record.sessions.append(opened)
        record.path = path
    except Exception as error:  # whatever a stranger's object does when it is described
        logger.warning("This run is not recorded: %s: %s", type(error).__name__, error)
        return Recorder(None)
    recorder = Recorder(record, began)
    recorder.save()
    return recorder


@contextmanager
def recorded(folder: str | os.PathLike[str], kind: Kind, **arguments: Any) -> Iterator[Recorder]:
    """`start_record` as a block that closes the record, however it is left; see the module.

    Args:
        folder: Where the run writes.
        kind: "train", "eval" or "compare".
        **arguments: As `start_record`.

    Yields:
        The open record.
    """
    recorder = start_record(folder, kind, **arguments)
    with closing(recorder.finish):
        yield recorder


@contextmanager
def closing(finish: Callable[[Status, str | None], None]) -> Iterator[None]:
    """Call `finish(status, error)` by how the block ends."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
        said = f"{type(error).__name__}: {error}".strip(": ")[:1000]
        finish("interrupted" if stopped else "failed", said)
        raise
    finish("finished", None)


def plain_score(score: Any) -> dict[str, Any]:
    """A `Score`, a number or a dict as it stands in a record."""
    if isinstance(score, Mapping):
        return dict(plain(score))
    if isinstance(score, int | float):
        return {"value": plain(float(score))}
    found = {"value": plain(score.value), "signature": score.signature, "goal": score.goal}
    if score.rows is not None:
        found["rows"] = len(score.rows)
    return found


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    moment = datetime.now(timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _describe(
    folder: str | os.PathLike[str],
    kind: Kind,
    name: str | None,
    model: Any,
    data: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any] | None,
    seed: int | None,
    parents: Sequence[Mapping[str, Any]] | None,
) -> RunRecord:
    started = now()
    command = [str(argument) for argument in sys.argv]
    if isinstance(data, Mapping):
        described = [describe_data(one, role) for role, one in data.items() if one is not None]
    else:
        described = [dict(one) for one in data]
    if isinstance(model, Mapping):
        base_model = dict(model)
    else:
        base_model = {} if model is None else describe_model(model)
    if parents is None:
        parents = [] if model is None or isinstance(model, Mapping) else runs_behind(model)
    stamp = "".join(c for c in started[:19] if c.isdigit() or c == "T").replace("T", "-")
    return RunRecord(
        id=f"{stamp}-{secrets.token_hex(2)}",
        kind=kind,
        name=name or Path(os.path.abspath(folder)).name,
        status="running",
        started=started,
        data=plain([*described, *files_named(command[1:])]),
        base_model=plain(base_model),
        settings=plain(settings or {}),
        command=without_secrets(command),
        seed=seed,
        versions=installed_versions(),
        code=code_state(),
        hardware=hardware(),
        parents=plain(list(parents)),
    )


def _place(folder: Path, kind: Kind) -> tuple[RunRecord | None, Path]:
    """The record of this kind that is in the folder, and where the new one goes."""
    path = folder / RUN
    if path.is_file() and _kind_of(path) not in (kind, None):
        path = folder / f"run.{kind}.json"
    if not path.is_file():
        return None, path
    try:
        return read_run(path), path
    except ValueError as error:
        kept = path.with_name(f"run.damaged-{secrets.token_hex(2)}.json")
        logger.warning("%s. It is kept as %s", error, kept.name)
        path.replace(kept)
        return None, path


def _kind_of(path: Path) -> str | None:
    try:
        return read_run(path).kind
    except ValueError:
        return None


def _session(described: RunRecord, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "started": described.started,
        "ended": None,
        "status": "running",
        "command": described.command,
        **plain(more),
    }


def _differs(first: RunRecord, later: RunRecord) -> dict[str, list[Any]]:
    """What a later start does otherwise than the first: name -> [first, later]."""
    from bitsft.runs.compare import differences

    found = differences(first, later)
    return {name: list(pair) for name, pair in found.items()}


def _keep_peaks(memory: dict[str, Any], peaks: Mapping[str, int | None]) -> None:
    for name, value in peaks.items():
        before = memory.get(name)
        if value is not None and isinstance(before, int):
            value = max(value, before)
        memory[name] = before if value is None else value
