"""Run TRL's own SFTTrainer tests on TRL's class and on bitsft's, offline, and compare.

    python tests/trl_suite/run_trl_suite.py --trl-tests ~/trl/tests

A subclass must show no failure that its parent does not show: the exit status is 0 when that holds,
1 when bitsft's class fails (or skips) a test that TRL's class passes, and 2 when no comparison was
possible. docs/trl_suite.md explains what runs, what does not, and how to read the result.

`--trl-tests` is the `tests` folder of a checkout of https://github.com/huggingface/trl (the
package on PyPI leaves its tests out); the checkout's `scripts` make the data. Its test files are
copied to the work folder: beside the checkout's own `trl` package they would test that one, not the
installed one.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import trl_suite_compare as compare

HERE = Path(__file__).resolve().parent
MODULE = "test_sft_trainer.py"
SUITE_FILES = ("__init__.py", "conftest.py", "testing_utils.py", "testing_constants.py", MODULE)
TRAINERS = {
    "stock": ("trl:SFTTrainer", "trl:SFTConfig"),
    "ternary": ("bitsft:TernarySFTTrainer", "bitsft:TernarySFTConfig"),
}
PYTEST_INI = """[pytest]
markers =
    slow: TRL's marker
    low_priority: TRL's marker
    invariant: TRL's marker
"""
VERSIONS = ("trl", "transformers", "torch", "peft", "datasets", "accelerate")


class SuiteError(Exception):
    """No comparison was possible; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status described in the module's docstring."""
    options = parse(arguments)
    try:
        with work_folder(options.work_dir) as work:
            return run(options, work)
    except (SuiteError, FileNotFoundError, ValueError) as error:
        print(f"run_trl_suite: {error}", file=sys.stderr)
        return 2


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Run TRL's own SFTTrainer tests on TRL's class and on bitsft's, and compare."
    )
    parser.add_argument(
        "--trl-tests",
        type=Path,
        required=True,
        metavar="DIR",
        help="the `tests` folder of a checkout of huggingface/trl",
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        help="keep the built data, models and junit files here (default: a temporary folder)",
    )
    parser.add_argument("--json", type=Path, help="write the comparison to this file")
    parser.add_argument("--only", choices=sorted(TRAINERS), help="run one class, compare nothing")
    parser.add_argument("-k", dest="keyword", help="pytest's -k expression")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes (needs pytest-xdist when above 1)"
    )
    return parser.parse_args(arguments)


@contextlib.contextmanager
def work_folder(path: Path | None) -> Iterator[Path]:
    """The folder to work in: `path`, kept, or a temporary one, removed at the end."""
    if path is None:
        with tempfile.TemporaryDirectory(prefix="bitsft-trl-suite-") as temporary:
            yield Path(temporary).resolve()
    else:
        path.mkdir(parents=True, exist_ok=True)
        yield path.resolve()


def run(options: argparse.Namespace, work: Path) -> int:
    """Build the folders, run the chosen classes, report."""
    tests = options.trl_tests.resolve()
    check(tests, options.workers)
    copy_suite(tests, work / "suite")
    build_hub_in_subprocess(tests.parent / "scripts", work)
    names = [options.only] if options.only else list(TRAINERS)
    runs = {name: run_class(name, work, options) for name in names}
    if options.json is not None:
        options.json.write_text(report_as_json(runs, tests.parent), encoding="utf-8")
    print_report(runs, tests.parent)
    if options.only:
        return 0
    return 1 if compare.compare_runs(runs["stock"], runs["ternary"]).regressions else 0


def check(tests: Path, workers: int) -> None:
    """Look for what the run needs, before anything is built.

    Raises:
        SuiteError: When the checkout or a pytest plugin is missing.
    """
    if not (tests / MODULE).is_file():
        raise SuiteError(
            f"no {MODULE} in {tests}: --trl-tests takes the `tests` folder of a checkout of "
            "https://github.com/huggingface/trl"
        )
    if importlib.util.find_spec("pytest_datadir") is None:
        raise SuiteError("TRL's tests use a pytest plugin: pip install pytest-datadir")
    if workers > 1 and importlib.util.find_spec("xdist") is None:
        raise SuiteError("--workers above 1 needs a pytest plugin: pip install pytest-xdist")


def copy_suite(tests: Path, suite: Path) -> None:
    """Copy the test module and what it imports to `suite/tests`, a root without a `trl` package."""
    shutil.rmtree(suite, ignore_errors=True)
    (suite / "tests").mkdir(parents=True)
    for name in SUITE_FILES:
        shutil.copy(tests / name, suite / "tests" / name)
    shutil.copytree(tests / "data", suite / "tests" / "data")
    (suite / "pytest.ini").write_text(PYTEST_INI, encoding="utf-8")


def environment(work: Path) -> dict[str, str]:
    """The environment of the runs: offline, its own caches, this folder and bitsft importable."""
    paths = [str(HERE), str(HERE.parents[1])]
    if "PYTHONPATH" in os.environ:
        paths.append(os.environ["PYTHONPATH"])
    return {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",
        "HF_HOME": str(work / "hf_home"),
        "HF_DATASETS_CACHE": str(work / "hf_home" / "datasets"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def build_hub_in_subprocess(scripts: Path, work: Path) -> None:
    """Build the data sets and models in a process of their own, with `environment(work)`.

    Raises:
        SuiteError: When the build fails; the message holds its last lines.
    """
    hub = work / "hub"
    shutil.rmtree(hub, ignore_errors=True)
    code = (
        "import sys, pathlib, trl_suite_hub; "
        "trl_suite_hub.build_hub(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    built = subprocess.run(
        [sys.executable, "-c", code, str(scripts), str(hub)],
        env=environment(work),
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        raise SuiteError("the data and models were not built:\n" + built.stderr[-3000:])


def run_class(name: str, work: Path, options: argparse.Namespace) -> dict[str, compare.Outcome]:
    """Run the suite on one class.

    Raises:
        SuiteError: When pytest wrote no result, or ended with an internal or usage error.
    """
    trainer, config = TRAINERS[name]
    junit = work / f"{name}.xml"
    junit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", str(work / "suite" / "tests" / MODULE)]
    command += ["-c", str(work / "suite" / "pytest.ini"), "--rootdir", str(work / "suite")]
    command += ["-p", "trl_suite_plugin", "-p", "no:cacheprovider", "-q", "--tb=short"]
    command += ["--sft-tests", str(work / "suite" / "tests")]
    command += ["--sft-trainer", trainer, "--sft-config", config]
    command += ["--junitxml", str(junit), "--basetemp", str(work / f"tmp-{name}")]
    if options.keyword is not None:
        command += ["-k", options.keyword]
    if options.workers > 1:
        command += ["-n", str(options.workers)]
    log = work / f"{name}.log"
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(
            command,
            cwd=work / "hub",
            env=environment(work),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if status not in (0, 1) or not junit.is_file():  # 0: all passed, 1: some failed
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise SuiteError(f"pytest on {trainer} ended with status {status}:\n{tail}")
    return compare.read_junit(junit, trainer)


def read_version(checkout: Path) -> str:
    """The version that the checkout's VERSION file states."""
    path = checkout / "VERSION"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "unknown"


def report_as_json(runs: dict[str, dict[str, compare.Outcome]], checkout: Path) -> str:
    """The whole result: versions, each test's outcome in each run, and the comparison."""
    report: dict[str, object] = {
        "trl_checkout": read_version(checkout),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "runs": {
            name: {test: dataclasses.asdict(outcome) for test, outcome in outcomes.items()}
            for name, outcomes in runs.items()
        },
    }
    if len(runs) == len(TRAINERS):
        comparison = compare.compare_runs(runs["stock"], runs["ternary"])
        report["comparison"] = dataclasses.asdict(comparison)
    return json.dumps(report, indent=2) + "\n"


def print_report(runs: dict[str, dict[str, compare.Outcome]], checkout: Path) -> None:
    """Print the table, why tests were skipped, and the differences."""
    installed = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    print(f"TRL's tests of {read_version(checkout)}, on {installed}\n")
    print(compare.table(runs))
    reasons = {name: compare.skip_reasons(outcomes) for name, outcomes in runs.items()}
    if len(runs) > 1 and reasons["stock"] == reasons["ternary"]:
        reasons = {"both": reasons["stock"]}
    for name, counted in reasons.items():
        print(f"\nskipped in {name}:")
        for count, reason in counted:
            print(f"  {count:3}  {reason}")
    if len(runs) < len(TRAINERS):
        for name, outcomes in runs.items():
            print(f"\nfailed in {name}:")
            for test, outcome in outcomes.items():
                if outcome.outcome == compare.FAILED:
                    print(f"  {test}\n      {outcome.message}")
        return
    comparison = compare.compare_runs(runs["stock"], runs["ternary"])
    print_differences("fail in both", comparison.fail_in_both)
    print_differences("fail in stock only", comparison.fail_in_stock_only)
    print_differences("REGRESSIONS: not passed by ternary alone", comparison.regressions)


def print_differences(title: str, differences: list[compare.Difference]) -> None:
    """Print tests with the messages of both runs, one line where the two are the same."""
    print(f"\n{title}: {len(differences)}")
    for difference in differences:
        print(f"  {difference.test}")
        if difference.stock == dataclasses.replace(
            difference.ours, seconds=difference.stock.seconds
        ):
            print(f"      {difference.stock.message}")
        else:
            for name, outcome in (("stock", difference.stock), ("ternary", difference.ours)):
                print(f"      {name}: {outcome.outcome} {outcome.message}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
