import pickle

import pytest

from bitsft.data.fields import RowError, check_mapping, is_missing, optional, required, shorten


def test_error_names_row_field_value_and_remedy() -> None:
    error = RowError("question", "is empty", "Fill it in", value="  ", row_number=17)
    assert str(error) == "row 17, field 'question' is empty (got '  '). Fill it in."
    assert isinstance(error, ValueError)


def test_error_without_row_number_and_value() -> None:
    assert str(RowError("answer", "is missing", "Fill it in")) == (
        "field 'answer' is missing. Fill it in."
    )


def test_error_survives_pickling_between_worker_processes() -> None:
    error = pickle.loads(pickle.dumps(RowError("answer", "is empty", "Fill it in", "", 3)))
    assert (error.field, error.reason, error.remedy, error.value, error.row_number) == (
        "answer",
        "is empty",
        "Fill it in",
        "",
        3,
    )


@pytest.mark.parametrize("value", [None, "", " \n\t", "\u3000", "\ufeff", " \u200b ", float("nan")])
def test_missing_values(value: object) -> None:
    assert is_missing(value)
    assert optional({"input": value}, "input", None) is None


@pytest.mark.parametrize("value", ["가", "0", 0, 0.0, False, [], {}])
def test_values_that_are_there(value: object) -> None:
    assert not is_missing(value)


def test_text_is_stripped_and_otherwise_kept() -> None:
    nfd = "\u1112\u1161\u11ab"  # 한, decomposed
    assert required({"a": f"  {nfd}  글\n둘 "}, "a", None) == f"{nfd}  글\n둘"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "row 2, field 'a' is missing."),
        ({"a": None}, "row 2, field 'a' is missing."),
        ({"a": " "}, "row 2, field 'a' is empty (got ' ')."),
        ({"a": 3}, "row 2, field 'a' is of type int, not text (got 3)."),
        ({"a": ["x"]}, "row 2, field 'a' is of type list, not text (got ['x'])."),
        ({"a": "ab\ud83d"}, "row 2, field 'a' holds half of a surrogate pair at character 2"),
    ],
)
def test_required_refuses(row: dict[str, object], message: str) -> None:
    with pytest.raises(RowError) as caught:
        required(row, "a", 2)
    assert str(caught.value).startswith(message)


def test_optional_refuses_what_is_no_text() -> None:
    with pytest.raises(RowError, match="of type int, not text"):
        optional({"input": 5}, "input", None)


def test_a_row_must_be_a_mapping() -> None:
    with pytest.raises(RowError, match="row 4, field 'row' is of type list, not a mapping"):
        check_mapping(["질문"], 4)


def test_long_values_are_shortened() -> None:
    assert shorten("가" * 100) == "'" + "가" * 58 + "…"
    assert shorten("가" * 58) == "'" + "가" * 58 + "'"
