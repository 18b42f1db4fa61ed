"""What `import bitsft.metrics` offers, and that it stays light."""

import doctest
import importlib
import subprocess
import sys

import pytest

import bitsft.metrics

HEAVY = (
    "torch transformers trl sacrebleu rouge_score evaluate datasets sklearn sentence_transformers"
)


def test_import_loads_no_library_of_the_metrics() -> None:
    code = f"import sys, bitsft.metrics; print([m for m in '{HEAVY}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", bitsft.metrics.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(bitsft.metrics, name).__name__ == name
    assert name in dir(bitsft.metrics)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'bertscore'"):
        _ = bitsft.metrics.bertscore


WITH_EXAMPLES = (
    "score rouge_scores korquad tfidf meteor lcs labels classification raft_scores answer_shape"
)


@pytest.mark.parametrize("module", WITH_EXAMPLES.split())
def test_examples_in_docstrings(module: str) -> None:
    loaded = importlib.import_module(f"bitsft.metrics.{module}")
    names = {"unicodedata": importlib.import_module("unicodedata")}
    result = doctest.testmod(loaded, extraglobs=names)
    assert result.attempted > 0 and result.failed == 0
