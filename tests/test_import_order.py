"""Imports point one way, from left to right in the order that CONTRIBUTING.md gives."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = (
    *("pages", "data", "ternary", "metrics", "checkpoint", "patches", "adapters", "memory"),
    *("runs", "training", "evaluation", "comparison", "blind", "cli"),
)


def imported_folders(source: str) -> Iterator[tuple[int, str]]:
    """Line and first folder of every import from bitsft, those within functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "."]
            if node.module == "bitsft":
                modules = [f"bitsft.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            if package == "bitsft" and rest:
                yield node.lineno, rest.split(".")[0]


def against_the_order(folder: str, source: str) -> list[tuple[int, str]]:
    """Line and folder of every import in a file of `folder` that points to the right."""
    right = FOLDERS[FOLDERS.index(folder) + 1 :]
    return [(line, name) for line, name in imported_folders(source) if name in right]


def test_no_import_points_back() -> None:
    found = {}
    for folder in FOLDERS:
        paths = sorted((ROOT / "bitsft" / folder).rglob("*.py"))
        assert paths, f"bitsft/{folder} has no code"
        for path in paths:
            if wrong := against_the_order(folder, path.read_text("utf-8")):
                found[path.relative_to(ROOT).as_posix()] = wrong
    assert found == {}


def test_every_folder_of_the_package_has_its_place() -> None:
    folders = {path.parent.name for path in (ROOT / "bitsft").glob("*/__init__.py")}
    assert folders == set(FOLDERS)


def test_contributing_gives_this_order() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    order = re.search(r"^ +(\w+(?: -> \w+)+)$", text, re.MULTILINE)
    assert order is not None and tuple(order[1].split(" -> ")) == FOLDERS


def test_an_import_to_the_right_is_seen_wherever_it_stands() -> None:
    source = "from bitsft.data import prepare\ndef run():\n    from bitsft.cli.eval import run_eval\nfrom bitsft import blind\n"
    assert against_the_order("metrics", source) == [(4, "blind"), (3, "cli")]
