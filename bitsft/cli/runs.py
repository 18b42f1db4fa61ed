"""`bitsft runs`: the experiments that were recorded, listed, shown, compared, and checked.

0  all is well; for `check`: nothing is different here
1  an error, explained in one line
3  `check`: something is different here
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from bitsft.cli.parser import WrongUse

DIFFERENT = 3
_VERBS = ("list", "show", "compare", "note", "check")


def add_runs_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft runs` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    verbs = parser.add_subparsers(dest="runs_verb", required=True, metavar="VERB")
    _add_list(verbs.add_parser("list", help="(or no verb) a table of the runs below folders"))
    show = verbs.add_parser("show", help="one run as an experiment sheet, a recipe, or JSON")
    _add_run(show)
    form = show.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="the sheet as Markdown")
    form.add_argument(
        "--yaml", action="store_true", help="the settings as a recipe for a script's --config"
    )
    form.add_argument("--json", action="store_true", help="the whole record")
    show.set_defaults(run=_show)
    compare = verbs.add_parser("compare", help="what differs between runs, and their scores")
    compare.add_argument("runs", nargs="+", metavar="RUN", help=_RUN_HELP)
    _add_where_runs_are(compare)
    compare.add_argument("--json", action="store_true", help="as JSON")
    compare.set_defaults(run=_compare)
    note = verbs.add_parser("note", help="write down what you saw, or what the run was for")
    _add_run(note)
    note.add_argument("text", nargs="?", help="an observation; it is added to those before")
    note.add_argument(
        "--goal", metavar="TEXT", help="what the run was for; replaces the one before"
    )
    note.set_defaults(run=_note)
    check = verbs.add_parser(
        "check", help="what is different here now; exit status 3 if anything is"
    )
    _add_run(check)
    check.add_argument("--json", action="store_true", help="as JSON")
    check.set_defaults(run=_check)

    parse = parser.parse_known_args

    def parse_with_verb(args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """`bitsft runs FOLDER` is `bitsft runs list FOLDER`; argparse knows no default verb."""
        given = list(sys.argv[1:] if args is None else args)
        if not given or given[0] not in (*_VERBS, "-h", "--help"):
            given.insert(0, "list")
        return parse(given, namespace)

    parser.parse_known_args = parse_with_verb  # type: ignore[method-assign, assignment]


_RUN_HELP = (
    "a folder or file with a record; or, of the runs below --in, a number, an id or its "
    "beginning, or a name"
)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", default=["."], metavar="FOLDER", help="default: here")
    parser.add_argument("--kind", choices=("train", "eval", "compare"), help="only these")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="only runs for which it holds, e.g. 'rouge1>0.5', learning_rate=0.002, status=finished; "
        "may be given several times",
    )
    parser.add_argument("--sort", metavar="NAME", help="by a score or setting, e.g. rouge1 or time")
    parser.add_argument("--reverse", action="store_true", help="the largest, or the latest, first")
    parser.add_argument(
        "--scores", metavar="NAMES", help="columns of their own for these, e.g. rouge1,bleu,raft.em"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the whole records as JSON")
    form.add_argument("--csv", action="store_true", help="one line a run, a column each score")
    parser.set_defaults(run=_list)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_name", metavar="RUN", help=_RUN_HELP)
    _add_where_runs_are(parser)


def _add_where_runs_are(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--in",
        dest="folders",
        action="append",
        metavar="FOLDER",
        help="where numbers, ids and names are looked up (default: here)",
    )


def _list(parsed: argparse.Namespace) -> int:
    from bitsft.runs.listing import list_runs
    from bitsft.runs.overview import runs_csv, runs_json, runs_table
    from bitsft.runs.select import sorted_by, value_of, where

    damaged: list[str] = []
    runs = list_runs(parsed.folders, damaged)
    numbers = {run.path: number for number, run in enumerate(runs, 1)}
    for sentence in damaged:
        print(f"bitsft: {sentence}", file=sys.stderr)
    if parsed.kind:
        runs = [run for run in runs if run.kind == parsed.kind]
    for condition in parsed.where:
        runs = where(runs, condition)
    if parsed.sort or parsed.reverse:
        name = parsed.sort or "started"
        if runs and all(value_of(run, name) is None for run in runs):
            raise ValueError(f"--sort {name}: no run has a score or setting of that name")
        runs = sorted_by(runs, name, reverse=parsed.reverse)
    numbered = [(numbers[run.path], run) for run in runs]
    if parsed.json or parsed.csv:
        print((runs_json if parsed.json else runs_csv)(numbered), end="")
        return 0
    if not numbered:
        folders = ", ".join("this folder" if name == "." else name for name in parsed.folders)
        such = " such" if numbers else ""
        print(f"No{such} runs below {folders}. Trainings and `bitsft eval` leave a run.json each.")
        return 0
    names = [name.strip() for name in (parsed.scores or "").split(",") if name.strip()]
    print(runs_table(numbered, names, _terminal_width()))
    return 0


def _show(parsed: argparse.Namespace) -> int:
    from bitsft.runs.recipe import recipe_yaml
    from bitsft.runs.sheet import as_markdown, as_text

    number, run = _find(parsed.run_name, parsed.folders)
    if parsed.yaml:
        print(recipe_yaml(run), end="")
    elif parsed.json:
        print(json.dumps(run.as_dict(), ensure_ascii=False, indent=1))
    elif parsed.markdown:
        print(as_markdown(run, number), end="")
    else:
        print(as_text(run, number, _terminal_width()), end="")
    return 0


def _compare(parsed: argparse.Namespace) -> int:
    from bitsft.runs.compare import compare_runs
    from bitsft.runs.overview import comparison_text

    comparison = compare_runs([_find(name, parsed.folders)[1] for name in parsed.runs])
    if parsed.json:
        print(json.dumps(comparison.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(comparison_text(comparison, _terminal_width()), end="")
    return 0


def _note(parsed: argparse.Namespace) -> int:
    from bitsft.runs.record import write_run

    if parsed.text is None and parsed.goal is None:
        raise WrongUse('nothing to write down: give a text, or --goal "what the run is for"')
    _, run = _find(parsed.run_name, parsed.folders)
    if parsed.text is not None:
        run.notes.append(parsed.text)
    if parsed.goal is not None:
        run.goal = parsed.goal
    write_run(run)
    print(f"{run.path}: written down")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from dataclasses import asdict

    from bitsft.runs.check import check_run
    from bitsft.runs.text_table import text_table

    findings = check_run(_find(parsed.run_name, parsed.folders)[1])
    different = [one for one in findings if one.verdict == "different"]
    if parsed.json:
        print(json.dumps([asdict(one) for one in findings], ensure_ascii=False, indent=1))
        return DIFFERENT if different else 0
    rest = [one for one in findings if one.verdict != "same"]
    if rest:
        rows = [(one.verdict, one.what, one.said) for one in rest]
        print(text_table(("", "what", ""), rows))
    same = len(findings) - len(rest)
    print(f"{len(different)} different, {len(rest) - len(different)} unknown, {same} the same")
    return DIFFERENT if different else 0


def _find(wanted: str, folders: list[str] | None) -> tuple[int | None, Any]:
    """The run that is meant and, where it is in the listing of the folders, its number."""
    from bitsft.runs.listing import find_run, list_runs

    run = find_run(wanted, folders or ["."])
    listed = [(one.id, one.path) for one in list_runs(folders or ["."])]
    if (run.id, run.path) in listed:
        return listed.index((run.id, run.path)) + 1, run
    return next((number for number, (id, _) in enumerate(listed, 1) if id == run.id), None), run


def _terminal_width() -> int | None:
    """Columns of the terminal; no bound where the output goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
