"""`ternary_base.json`: what is written is read, and what does not fit is an error that says why."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from bitsft.adapters.base_identity import (
    BASE_FILE,
    TernaryBase,
    check_base,
    read_base,
    write_base,
)
from bitsft.checkpoint.identity import TernaryIdentity

IDENTITY = TernaryIdentity("a" * 64, "b" * 64, {"x": 0.5, "y": 0.25}, "tensor", 8, 96)
BASE = TernaryBase(IDENTITY, "some/base", "LlamaForCausalLM")


def other(**changes: Any) -> TernaryBase:
    return TernaryBase(dataclasses.replace(IDENTITY, **changes), "some/other", "LlamaForCausalLM")


def test_the_record_by_hand(tmp_path: Path) -> None:
    assert read_base(tmp_path) is None
    write_base(BASE, tmp_path)
    record = json.loads((tmp_path / BASE_FILE).read_text())
    assert record == {
        "format": 1,
        "identity": "a" * 64,
        "codes": "b" * 64,
        "model": "some/base",
        "class": "LlamaForCausalLM",
        "granularity": "tensor",
        "activation_bits": 8,
        "weights": 96,
        "layers": {"x": 0.5, "y": 0.25},
    }
    assert read_base(tmp_path) == BASE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format is 2, this bitsft knows 1"),
        ({"layers": {"x": float("nan")}}, "layers is no object of scales by name"),
        ({"layers": [0.5]}, "layers is no object of scales by name"),
        ({"granularity": "group"}, "granularity is 'group' and activation_bits 8"),
        ({"activation_bits": 4}, "granularity is 'tensor' and activation_bits 4"),
        ({"weights": 1.5}, "weights is 1.5, not a count"),
        ({"weights": True}, "weights is True, not a count"),
        ({"model": None}, "model is None, not a text"),
        ({"codes": 3}, "codes is 3, not a text"),
    ],
)
def test_one_thing_wrong_in_a_record(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_base(BASE, tmp_path)
    path = tmp_path / BASE_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        read_base(tmp_path)


def test_the_same_weights_by_another_name_are_taken_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        check_base(BASE, other(), "adapter")
    assert not caplog.records


def test_scales_may_differ_by_the_rounding_of_bfloat16_and_the_farthest_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check_base(BASE, other(sha256="c" * 64, scales={"x": 0.5, "y": 0.25 * (1 - 2**-8)}), "adapter")
    assert "they differ by up to 0.39 %" in caplog.text
    with pytest.raises(ValueError, match=r"γ differ \(by up to 0\.40%\)\. Load it onto some/base"):
        check_base(BASE, other(sha256="c" * 64, scales={"x": 0.5, "y": 0.251}), "adapter")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes_sha256": "d" * 64}, "have other codes"),
        ({"scales": {"x": 0.5}}, "that has 2 ternary layers, this 1, 'y' not among them"),
        ({"scales": {"x": 0.5, "y": 0.25, "z": 1.0}}, "that has 2 ternary layers, this 3"),
    ],
)
def test_other_weights_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_base(BASE, other(sha256="c" * 64, **changes), "adapter")
