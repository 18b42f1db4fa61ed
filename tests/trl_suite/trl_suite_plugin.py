"""pytest plugin: run TRL's SFT tests on another trainer class, without a change to TRL's files.

TRL's test module imports `SFTTrainer` and `SFTConfig` by name, and its tests look the two names up
when they run. After collection this plugin binds them, in the test module alone, to the classes
that `--sft-trainer` and `--sft-config` name; the `trl` package itself stays as it is.

It also
- stands in for names that TRL's test files import and the installed TRL does not have (a checkout
  is rarely of exactly the installed release): `is_..._available()` answers False, and a test that
  calls any other is skipped;
- skips, with the reason, what cannot run without the Hub: tests marked slow, and tests whose
  parameters name a repository that is not a folder in the working directory;
- writes the class under test into the junit file, so that a comparison can check what it compares.
"""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

ORGANIZATION = "trl-internal-testing/"
SKIPPED = "not run here: "
STOCK = {"SFTTrainer": "trl:SFTTrainer", "SFTConfig": "trl:SFTConfig"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--sft-trainer`, `--sft-config` and `--sft-tests`."""
    group = parser.getgroup("trl suite")
    group.addoption("--sft-trainer", default=STOCK["SFTTrainer"], help="as module:Class")
    group.addoption("--sft-config", default=STOCK["SFTConfig"], help="as module:Class")
    group.addoption("--sft-tests", required=True, help="the folder of TRL's test files")


def pytest_configure(config: pytest.Config) -> None:
    """Stand in for what the installed TRL lacks, before the test files are imported."""
    for path in sorted(Path(config.getoption("--sft-tests")).glob("*.py")):
        for module, name in imported_from_trl(path.read_text(encoding="utf-8")):
            stand_in(importlib.import_module(module), name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bind the two classes in each collected module, and mark what cannot run."""
    chosen = {
        "SFTTrainer": config.getoption("--sft-trainer"),
        "SFTConfig": config.getoption("--sft-config"),
    }
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        for name, target in chosen.items():
            if name not in vars(item.module):
                raise pytest.UsageError(f"{item.module.__name__} has no {name} to replace")
            setattr(item.module, name, load(target))
        item.user_properties.append(("trainer", chosen["SFTTrainer"]))
        item.user_properties.append(("config", chosen["SFTConfig"]))
        reason = reason_not_to_run(item)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=SKIPPED + reason))


def load(target: str) -> type:
    """The class that `module:Class` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def imported_from_trl(source: str) -> list[tuple[str, str]]:
    """The (module, name) pairs that the source's `from trl... import ...` lines ask for."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None
        if node.module.split(".")[0] == "trl"
        for alias in node.names
    ]


def stand_in(module: ModuleType, name: str) -> None:
    """Give `module` a function called `name`, if it has nothing of that name."""
    try:
        getattr(module, name)  # not vars(): `trl` resolves its names lazily
    except AttributeError:
        if name.startswith("is_") and name.endswith("_available"):
            setattr(module, name, bool)  # bool() is False
        else:
            reason = f"the installed TRL has no {module.__name__}.{name}"
            setattr(module, name, skipping_function(reason))


def skipping_function(reason: str) -> Callable[..., NoReturn]:
    """A function that takes anything and skips the running test."""

    def skip(*_: Any, **__: Any) -> NoReturn:
        pytest.skip(SKIPPED + reason)

    return skip


def reason_not_to_run(item: pytest.Function) -> str | None:
    """Why this test cannot run without the Hub, or None when it can."""
    if item.get_closest_marker("slow") is not None:
        return "marked slow; it downloads its data"
    parameters = item.callspec.params.values() if "callspec" in vars(item) else ()
    for value in parameters:
        if isinstance(value, str) and value.startswith(ORGANIZATION) and not Path(value).is_dir():
            return f"needs {value}, which is not made offline"
    return None
