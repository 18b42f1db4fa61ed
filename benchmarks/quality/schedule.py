"""The queue: which runs there are, in which order, in how many processes; what is there is not run again.

Most informative first: the variants of level 0 seed by seed, then those of level 1, then 2; so whatever time allows is a complete
smaller study. A run that needs the seed's full precision waits for it. A run is there when its JSON is; the JSON is
written when everything is measured, so a killed run starts anew. One that fails leaves `<run>.error.txt`, and
the others go on.
"""

import json
import multiprocessing
import os
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bitsft.data.common.atomic import atomic_path
from quality.data import Data
from quality.sizes import Sizes
from quality.train import Job, run
from quality.variants import GRIDS, PARTS, RATES, Variant, variants_of

MARKER = "study.json"
"""Written into a teacher's folder when the teacher is whole."""


def path_of(out: Path, job: Job) -> Path:
    """Where the result of a job is written."""
    if job.validation_only:
        return out / "sweep" / job.part / f"{job.variant.name}_{job.rate:g}.json"
    return out / "runs" / job.part / f"seed_{job.seed}" / f"{job.variant.name}.json"


def teacher_of(out: Path, part: str, seed: int) -> Path:
    return out / "teachers" / part / f"seed_{seed}"


def study_jobs(
    out: Path, base: Path, parts: Sequence[str], seeds: Sequence[int], names: Sequence[str] | None
) -> list[Job]:
    """All runs of a study, most informative first.

    Args:
        out: The study's folder.
        base: The base's.
        parts: Of `tasks` and `text`.
        seeds: Of the orders of the rows.
        names: Variants; None for all. Full precision is added where another one needs it.

    Raises:
        ValueError: A name that no part has.
    """
    known = {variant.name for part in PARTS for variant in variants_of(part)}
    wrong = sorted(set(names or ()) - known)
    if wrong:
        raise ValueError(
            f"no variant is called {', '.join(wrong)}; there are {', '.join(sorted(known))}"
        )
    jobs: list[tuple[tuple[int, int], Job]] = []
    for part in parts:
        chosen = [v for v in variants_of(part) if names is None or v.name in names]
        if any(v.needs_full_precision for v in chosen) and chosen[0].name != "full_precision":
            chosen.insert(0, variants_of(part)[0])
        for number, seed in enumerate(seeds):
            jobs += [((v.level, number), _job(out, base, part, seed, v)) for v in chosen]
    return [job for _, job in sorted(jobs, key=lambda pair: pair[0])]


def _job(out: Path, base: Path, part: str, seed: int, variant: Variant) -> Job:
    teacher = teacher_of(out, part, seed)
    return Job(
        part,
        seed,
        variant,
        RATES[part].get(variant.family, 0.0),
        base,
        teacher if variant.needs_full_precision else None,
        teacher if variant.name == "full_precision" else None,
    )


def sweep_jobs(
    out: Path, base: Path, parts: Sequence[str], names: Sequence[str] | None
) -> list[Job]:
    """Every family at every rate of its grid, on seed 0; the teacher is the dense run at the rate of `RATES`.

    Args:
        out: The study's folder.
        base: The base's.
        parts: Of `tasks` and `text`.
        names: Of `full_precision`, `straight_through`, `recipe`, `latent_free`; None for all.
    """
    models = {
        "dense": "full_precision",
        "straight": "straight_through",
        "distilled": "recipe",
        "latent_free": "latent_free",
    }
    jobs = []
    for part in parts:
        variants = {variant.name: variant for variant in variants_of(part)}
        for family, name in models.items():
            if names is not None and name not in names:
                continue
            for rate in sorted(GRIDS[family], key=lambda rate: rate != RATES[part][family]):
                is_teacher = family == "dense" and rate == RATES[part]["dense"]
                teacher = out / "sweep" / part / "teacher"
                needs = variants[name].needs_full_precision
                jobs.append(
                    Job(
                        part,
                        0,
                        variants[name],
                        rate,
                        base,
                        teacher if needs else None,
                        teacher if is_teacher else None,
                        validation_only=True,
                    )
                )
    return jobs


def run_all(
    jobs: Sequence[Job],
    out: Path,
    data: Data,
    sizes: Sizes,
    *,
    workers: int,
    minutes: float | None,
    machine: dict[str, Any],
) -> int:
    """Run what is not there yet.

    Args:
        jobs: In their order.
        out: The study's folder.
        data: The study's.
        sizes: Of the study.
        workers: Processes, of one thread each.
        minutes: Start no run that is not expected to end within them; None for no limit.
        machine: Written into every result.

    Returns:
        How many runs failed.
    """
    waiting = [job for job in jobs if not path_of(out, job).exists()]
    for job in waiting:
        if job.model_folder is not None:  # students wait for the new teacher
            (job.model_folder / MARKER).unlink(missing_ok=True)
    total, failed, started = len(waiting), 0, time.monotonic()
    print(f"{len(jobs)} runs, {len(jobs) - total} of them are there already", flush=True)
    spent = [0.0, 0.0]  # seconds, and what was expected of them
    running: dict[Future[float], tuple[Job, float]] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _one_thread, (data, sizes, machine)) as pool:
        while waiting or running:
            for job in [job for job in waiting if _ready(job)][: workers - len(running)]:
                waiting.remove(job)
                pace = spent[0] / spent[1] if spent[1] else 1.0
                ends = time.monotonic() - started + pace * _cost(job, sizes)
                if minutes is not None and ends > 60 * minutes:
                    print(f"left out, no time: {_name(job)}", flush=True)
                    continue
                running[pool.submit(_run_one, job, path_of(out, job))] = (job, time.monotonic())
            if not running:
                if waiting and not any(_ready(job) for job in waiting):
                    names = ", ".join(map(_name, waiting))
                    print(f"left out, without their full precision: {names}", flush=True)
                    failed += len(waiting)
                    break
                continue
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job, begun = running.pop(future)
                took = time.monotonic() - begun
                error = future.exception()
                if error is not None:
                    failed += 1
                    note = path_of(out, job).with_suffix(".error.txt")
                    note.parent.mkdir(parents=True, exist_ok=True)
                    note.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
                    print(f"FAILED {_name(job)}: {error} ({note})", flush=True)
                    continue
                spent[0] += took
                spent[1] += _cost(job, sizes)
                rest = sum(_cost(one, sizes) for one in waiting)
                rest += sum(_cost(one, sizes) for one, _ in running.values()) / 2
                left = spent[0] / spent[1] * rest / workers
                print(
                    f"{total - len(waiting) - len(running)} of {total}: {_name(job)}, loss {future.result():.4f}, "
                    f"{took / 60:.1f} min; {(time.monotonic() - started) / 60:.0f} min so far, about {left / 60:.0f} left",
                    flush=True,
                )
    return failed


def _name(job: Job) -> str:
    rate = f" at {job.rate:g}" if job.validation_only else ""
    return f"{job.part}, seed {job.seed}, {job.variant.name}{rate}"


def _ready(job: Job) -> bool:
    return job.teacher is None or (job.teacher / MARKER).exists()


def _cost(job: Job, sizes: Sizes) -> float:
    """Seconds a run takes on one core of our machine, roughly; only the proportions count once one has ended."""
    tokens = sizes.task_tokens * sizes.task_steps
    if job.part == "text":
        tokens = sizes.text_rows * sizes.text_length * sizes.text_steps
    factor = {"rounded": 0.0, "dense": 1.0, "straight": 1.1}.get(job.variant.family, 1.6)
    measures = 5 if job.part == "text" or job.validation_only else 60
    return 4 + measures + 4.2e-4 * tokens * factor * job.variant.steps


_given: tuple[Data, Sizes, dict[str, Any]]


def _one_thread(data: Data, sizes: Sizes, machine: dict[str, Any]) -> None:
    """What every worker process starts with."""
    global _given
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch
    from datasets import disable_progress_bars
    from transformers.utils import logging

    torch.set_num_threads(1)
    disable_progress_bars()
    logging.disable_progress_bar()
    _given = (data, sizes, machine)


def _run_one(job: Job, path: Path) -> float:
    """In a worker: the result goes into its file, the loss comes back for the progress line."""
    data, sizes, machine = _given
    result = run(job, data, sizes) | {"machine": machine, "sizes": asdict(sizes)}
    if job.model_folder is not None:  # the model is whole: others may start from it
        marker = {"scores": result["scores"]}
        (job.model_folder / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")
    with atomic_path(path) as new:
        new.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".error.txt").unlink(missing_ok=True)
    return float(result["scores"]["loss"])
