"""Score: the one-line form, and that it cannot be changed after the fact."""

import dataclasses

import pytest

from bitsft.metrics import Score


def test_prints_name_signature_and_value_on_one_line() -> None:
    score = Score("bleu", 35.930411196308434, "nrefs:1|tok:char")
    assert str(score) == "bleu|nrefs:1|tok:char = 35.93"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.875, "0.875"), (1.0, "1"), (100.0, "100"), (2 / 3, "0.6667"), (0.0, "0")],
)
def test_four_significant_digits_suit_both_scales(value: float, shown: str) -> None:
    assert str(Score("x", value, "s")) == f"x|s = {shown}"


def test_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Score("x", 1.0, "s").value = 2.0
