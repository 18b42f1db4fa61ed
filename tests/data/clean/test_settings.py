"""Settings are checked when they are made, and say what is wrong with which."""

import dataclasses
import pickle
from typing import Any

import pytest

from bitsft.data.clean import PERSONAL_KINDS, Cleaning


def test_everything_personal_is_masked_by_default() -> None:
    settings = Cleaning()
    assert {settings.action(kind) for kind in PERSONAL_KINDS} == {"mask"}
    assert settings.tokens["phone"] == "[전화번호]"
    assert (settings.max_repeats, settings.max_blank_lines, settings.mojibake) == (3, 2, False)


def test_a_token_of_ones_own_leaves_the_others() -> None:
    settings = Cleaning(tokens={"phone": "<전화>"})
    assert settings.tokens["phone"] == "<전화>"
    assert settings.tokens["email"] == "[이메일]"


def test_changing_the_dict_later_changes_nothing() -> None:
    tokens = {"phone": "<전화>"}
    settings = Cleaning(tokens=tokens)
    tokens["phone"] = "<번호>"
    assert settings.tokens["phone"] == "<전화>"


def test_equal_settings_are_equal_keys_and_survive_pickling() -> None:
    settings = Cleaning(phone="reject", tokens={"email": "<메일>"})
    assert settings == Cleaning(phone="reject", tokens={"email": "<메일>"})
    assert hash(settings) == hash(Cleaning(phone="reject", tokens={"email": "<메일>"}))
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert dataclasses.replace(settings, phone="keep").tokens["email"] == "<메일>"


def test_as_dict_is_plain() -> None:
    values = Cleaning(max_repeats=None).as_dict()
    assert values["max_repeats"] is None
    assert values["card"] == "mask"
    assert isinstance(values["tokens"], dict)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (
            {"phone": "hide"},
            ValueError,
            "phone='hide' is not known; use 'mask', 'reject' or 'keep'",
        ),
        ({"max_repeats": 0}, ValueError, "max_repeats=0 must be at least 1"),
        ({"max_repeats": 2.5}, TypeError, "max_repeats=2.5 must be a whole number"),
        ({"max_repeats": True}, TypeError, "max_repeats=True must be a whole number"),
        ({"max_blank_lines": -1}, ValueError, "max_blank_lines=-1 must be at least 0"),
        ({"white_space": "yes"}, TypeError, "white_space='yes' must be True or False"),
        ({"tokens": ["[전화]"]}, TypeError, "must map kinds to words"),
        ({"tokens": {"fax": "[팩스]"}}, ValueError, r"tokens names \['fax'\]; the kinds are email"),
        ({"tokens": {"phone": ""}}, ValueError, "must not be empty or hold digits"),
        ({"tokens": {"phone": "010"}}, ValueError, "must not be empty or hold digits"),
        ({"tokens": {"email": 3}}, TypeError, "must be a text"),
    ],
)
def test_wrong_settings(values: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Cleaning(**values)


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="'fax' is not known; the kinds are email"):
        Cleaning().action("fax")
