from contextlib import nullcontext

import pytest

from bitsft.data.common.choices import check_choice


@pytest.mark.parametrize("value", ["c", "", None, ["a"]])
def test_what_is_not_known_is_refused_with_what_is(value: object) -> None:
    with pytest.raises(ValueError, match="^how=.* is not known; use 'a', 'b' or 'd'$"):
        check_choice("how", value, ("a", "b", "d"))


def test_only_what_is_known_passes() -> None:
    for value in ("a", "b", "c"):
        with nullcontext() if value != "c" else pytest.raises(ValueError, match="how='c'"):
            check_choice("how", value, ("a", "b"))
            assert value != "c"
