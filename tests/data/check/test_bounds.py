from typing import Any

import pytest

from bitsft.data.check.bounds import Bounds, check_bounds, check_bounds_columns
from bitsft.data.fields import RowError


def test_both_ends_are_allowed() -> None:
    exactly_three = {"answer": Bounds(min=3, max=3)}
    for answer, allowed in (("가나", False), ("가나다", True), ("가나다라", False), (None, True)):
        try:
            check_bounds({} if answer is None else {"answer": answer}, exactly_three, None)
        except RowError:
            assert not allowed, answer
        else:
            assert allowed, answer


@pytest.mark.parametrize(
    ("values", "bounds", "field", "reason"),
    [
        ({"answer": "가"}, {"answer": Bounds(min=2)}, "answer", "is shorter than 2 characters"),
        ({"answer": "가나"}, {"answer": Bounds(max=1)}, "answer", "is longer than 1 characters"),
        (
            {"context": ["가나", "가"]},
            {"context": Bounds(min=2)},
            "context[1]",
            "is shorter than 2 characters",
        ),
        (
            {"messages": [{"role": "user", "content": "가" * 1001}]},
            {"messages": Bounds(max=1000)},
            "messages[0]",
            "is longer than 1,000 characters",
        ),
    ],
)
def test_refused(
    values: dict[str, Any], bounds: dict[str, Bounds], field: str, reason: str
) -> None:
    with pytest.raises(RowError) as caught:
        check_bounds(values, bounds, 6)
    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert caught.value.row_number == 6


@pytest.mark.parametrize(
    "options", [{"min": -1}, {"max": 2.5}, {"min": 3, "max": 2}, {"min": True}]
)
def test_wrong_bounds(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Bounds"):
        Bounds(**options)


def test_bounds_for_other_columns() -> None:
    check_bounds_columns({"output": Bounds(max=3)}, "koalpaca")
    check_bounds_columns({"output": Bounds(max=3), "answer": Bounds()}, None)
    with pytest.raises(ValueError, match="'answer' is no column of koalpaca; use input, instr"):
        check_bounds_columns({"answer": Bounds(max=3)}, "koalpaca")
    with pytest.raises(ValueError, match="'x' is no column of any task"):
        check_bounds_columns({"x": Bounds(max=3)}, None)
    with pytest.raises(TypeError, match=r"give Bounds\(min="):
        check_bounds_columns({"output": (1, 2)}, "koalpaca")  # type: ignore[dict-item]
