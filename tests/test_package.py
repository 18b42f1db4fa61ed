"""The package as a whole: quick to import, complete, and it says which extra is missing."""

import subprocess
import sys

import pytest

import bitsft
from bitsft._extras import require


def test_import_is_light() -> None:
    code = (
        "import sys, bitsft; heavy = {'torch', 'transformers', 'trl', 'datasets', 'numpy'} & set(sys.modules);"
        "print(sorted(heavy), 'BitLinear158' in dir(bitsft))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[] True"


@pytest.mark.parametrize("name", bitsft.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(bitsft, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        bitsft.Trainer  # noqa: B018


def test_a_missing_extra_names_the_line_to_type() -> None:
    with pytest.raises(ImportError, match=r'pip install "bitsft\[cosine\]"'):
        require("a_package_that_is_not_there", "cosine")
    assert require("json", "cosine").dumps([1]) == "[1]"


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "broken_package.py").write_text("import something_else_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_else_that_is_missing"):
        require("broken_package", "cosine")
