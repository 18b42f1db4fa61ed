"""How close ternary models come to full precision on real Korean tasks, and what each ingredient does: docs/quality.md.

    python benchmarks/quality.py --base base --nsmc nsmc/ --sae4k sae4k_v1.tsv --boolq kobest_boolq/ --out study/
    python benchmarks/quality.py ... --small                      # in minutes
    python benchmarks/quality.py ... --sweep                      # learning rates, on validation rows
    python benchmarks/quality.py --out study/ --tables docs/quality.md --images docs/images     # what is there so far

`--base` is the folder that examples/pretrain_base.py leaves: a small dense Llama and held_out.jsonl. Two parts, each
variant with every seed:

    tasks   one fine-tuning on three tasks at once (quality/data.py), measured on held-out rows (quality/measure.py)
    text    a short fine-tuning on text of another kind, measured by held-out loss: what each ingredient adds

Runs are queued over `--workers` processes of one thread, most informative first; a finished one is not repeated, so the
command can be stopped and given again. `results.json` in `--out` holds every run's numbers. No network is used.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "cpu"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from machine import describe_machine
from quality.data import load_or_prepare
from quality.results import collect
from quality.schedule import run_all, study_jobs, sweep_jobs
from quality.sizes import SIZES
from quality.tables import fill, tables
from quality.variants import PARTS, unknown_options

from bitsft.data.common.atomic import atomic_path


def main() -> int:
    arguments = parse()
    out: Path = arguments.out
    failed = 0
    if arguments.base is not None:
        sources = {name: getattr(arguments, name) for name in ("base", "nsmc", "sae4k", "boolq")}
        missing = [f"--{name}" for name, path in sources.items() if path is None]
        if missing:
            sys.exit(
                f"{', '.join(missing)}: needed to run; with --out alone only tables and plots are made"
            )
        sizes = SIZES[arguments.size]
        data = load_or_prepare(out, sources, sizes)
        jobs = (
            sweep_jobs(out, arguments.base, arguments.parts, arguments.variants)
            if arguments.sweep
            else study_jobs(
                out, arguments.base, arguments.parts, arguments.seeds, arguments.variants
            )
        )
        left_out = {job.variant.name: unknown_options(job.variant) for job in jobs}
        for name, options in left_out.items():
            if options:
                print(f"left out: {name}: this version has no {', '.join(options)}")
        failed = run_all(
            [job for job in jobs if not left_out[job.variant.name]],
            out,
            data,
            sizes,
            workers=arguments.workers,
            minutes=arguments.minutes,
            machine=describe_machine(threads=1),
        )
    write(arguments)
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--base", type=Path, help="folder of the base; without it only tables are made"
    )
    parser.add_argument(
        "--nsmc", type=Path, help="folder with sentiment_{train,validation,test}.jsonl"
    )
    parser.add_argument("--sae4k", type=Path, help="sae4k_v1.tsv")
    parser.add_argument("--boolq", type=Path, help="folder with train.tsv, dev.tsv, test.tsv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--variants", nargs="+", help="names (quality/variants.py); default: all")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--minutes", type=float, help="start nothing that would end later")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--small", dest="size", action="store_const", const="small")
    parser.add_argument("--sweep", action="store_true", help="learning rates instead of the study")
    parser.add_argument("--tables", type=Path, nargs="+", default=[], help="Markdown files to fill")
    parser.add_argument("--images", type=Path, help="folder for the plots")
    return parser.parse_args()


def write(arguments: argparse.Namespace) -> None:
    """results.json, and the tables and plots that were asked for."""
    summary = collect(arguments.out)
    path = arguments.out / "results.json"
    with atomic_path(path) as new:
        new.write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}")
    found = tables(summary)
    for name in ("sweep",) if arguments.sweep else ("tasks", "differences", "text", "ingredients"):
        print(f"\n{found[name]}")
    plots: dict[str, Path] = {}
    if arguments.images:
        os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
        from quality.plots import plot_gap, plot_tasks

        plots = {name: arguments.images / f"quality_{name}.png" for name in ("gap", "tasks")}
        plot_gap(summary["variants"]["text"], plots["gap"])
        plot_tasks(summary["variants"]["tasks"], plots["tasks"])
    for file in arguments.tables:
        print(f"{file}: filled {', '.join(fill(file, found, plots))}")


if __name__ == "__main__":
    sys.exit(main())
