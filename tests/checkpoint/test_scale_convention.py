"""γ out of `weight_scale`, so that what divided by 1/γ divides by the same bits again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.checkpoint.scale_convention import scale_of_stored


@settings(max_examples=300, derandomize=True, deadline=None)
@given(scale=st.floats(2.0**-13, 4.0, width=32))
def test_gamma_written_as_reciprocal_divides_as_before(scale: float) -> None:
    stored = 1 / torch.tensor(scale)  # what bitsft and others write
    read = scale_of_stored(stored, "divide")
    assert (1 / read).item() == stored.item()
    assert read.item() == pytest.approx(scale, rel=2.5e-7)


def test_bfloat16_reciprocals_up_to_the_root_of_two_are_exact() -> None:
    for mantissa in range(128, 182):  # 1 to 1.414 in steps of 1/128: γ lies closer there than 1/γ
        stored = torch.tensor(mantissa / 128 * 32, dtype=torch.bfloat16).float()
        assert (1 / scale_of_stored(stored, "divide")).item() == stored.item()


def test_a_reciprocal_that_no_float_has() -> None:
    stored = torch.nextafter(torch.tensor(2.0), torch.tensor(0.0))
    values = [1 / torch.nextafter(torch.tensor(0.5), torch.tensor(t)) for t in (0.0, 1.0)]
    assert stored not in values
    assert abs(scale_of_stored(stored, "divide").item() * stored.item() - 1) < 1e-7


def test_a_scale_that_multiplies_is_gamma() -> None:
    assert scale_of_stored(torch.tensor(0.3), "multiply").item() == torch.tensor(0.3).item()
