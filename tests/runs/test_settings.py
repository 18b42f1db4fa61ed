"""JSON-safe settings, and no secrets in them."""

import json
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitsft.runs.settings import HIDDEN, changed_fields, is_secret, plain, without_secrets


class Mode(str, Enum):
    FAST = "fast"


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_values_that_json_lacks() -> None:
    value = {
        "mode": Mode.FAST,
        "path": Path("a/b"),
        "dtype": torch.bfloat16,
        "set": {3, 1, 2},
        "tuple": (1, None, True),
        "nan": float("nan"),
        "inf": float("-inf"),
        "function": json.dumps,
        "number": torch.tensor(2.5),
        7: "key",
    }
    assert plain(value) == {
        "mode": "fast",
        "path": "a/b",
        "dtype": "bfloat16",
        "set": [1, 2, 3],
        "tuple": [1, None, True],
        "nan": "nan",
        "inf": "-inf",
        "function": "json.dumps",
        "number": 2.5,
        "7": "key",
    }


def test_objects_have_no_address_and_may_be_broken() -> None:
    assert " at 0x" not in plain(object()) and plain(object()).startswith("<object object")
    assert "Odd, whose repr failed: RuntimeError" in plain(Odd())
    assert isinstance(plain(partial(print, 1)), str)
    nested: list[Any] = []
    nested.append(nested)
    assert "nested too deeply" in json.dumps(plain(nested))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=12,
    )
)
def test_whatever_comes_out_is_json(value: Any) -> None:
    found = plain(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    "name", ["hub_token", "push_to_hub_token", "--hub-token", "token", "api_key", "PASSWORD"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)
    assert plain({name.lstrip("-"): "x", "a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    "name", ["eos_token", "pad_token", "max_tokens", "token_type", "tokenizer"]
)
def test_names_that_are_none(name: str) -> None:
    assert not is_secret(name)


def test_a_command_without_secrets() -> None:
    given_ = [
        "t.py",
        "--hub_token",
        "abc",
        "--api-key=def",
        "--lr",
        "1",
        "x hf_abcdefghijklmnopqrstu y",
    ]
    given_ += ["https://me:pw@host/x", "--token", "--seed", "3"]
    assert without_secrets(given_) == [
        *("t.py", "--hub_token", HIDDEN, f"--api-key={HIDDEN}", "--lr", "1", f"x {HIDDEN} y"),
        *(f"https://{HIDDEN}@host/x", "--token", "--seed", "3"),
    ]


def test_changed_fields() -> None:
    @dataclass
    class Inner:
        a: int = 1

    @dataclass
    class Config:
        rate: float = 0.1
        names: list[str] = field(default_factory=list)
        report: Any = "none"
        inner: Any = None
        hub_token: str | None = None

    assert changed_fields(Config()) == []
    assert changed_fields(Config(report=[], inner=Inner(), hub_token="s")) == []
    assert changed_fields(Config(rate=0.2, names=["x"], inner=Inner(2))) == [
        "rate",
        "names",
        "inner",
    ]
