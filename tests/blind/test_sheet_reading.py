"""What comes back from a spreadsheet."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitsft.blind.cells import restored
from bitsft.blind.pairs import AnswerPair, pair_answers, shown_order
from bitsft.blind.sheet import write_sheet
from bitsft.blind.sheet_reading import SheetReading, read_sheet
from tests.blind.evaluations import BASE, TUNED, evaluation, scores
from tests.blind.sheets import HOSTILE, PAIRS, fill, save, table_of, written


def read(path: Path, pairs: list[AnswerPair] = PAIRS) -> SheetReading:
    return read_sheet(path, path.parent / "keys", pairs)


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8-sig", ","), ("utf-8", ";"), ("cp949", ","), ("cp949", "\t")]
)
def test_what_is_filled_in_comes_back(tmp_path: Path, encoding: str, delimiter: str) -> None:
    texts = [text + " 🙂 ；" for text in HOSTILE]  # CP949 lacks the face
    pairs = pair_answers(evaluation(BASE, texts), evaluation(TUNED, HOSTILE))
    path = written(tmp_path, pairs)
    table = table_of(path)
    fill(table[0], "left", "543212")
    fill(table[2], "둘 다 나쁨", "111111")
    save(path, [table[2], table[1], table[0], table[3]], encoding, delimiter)
    reading = read(path, pairs)
    order = shown_order(pairs, "kim")
    assert reading.rater == "kim" and reading.unrated == 2 and reading.faults == ()
    bad, left = reading.ratings
    assert (bad.row, bad.verdict) == (order[2].pair.row, "both_bad")
    assert (left.row, left.choice, left.base_on_left) == (
        order[0].pair.row,
        "left",
        order[0].base_on_left,
    )
    assert (left.left, left.right) == (scores(5, 4, 3), scores(2, 1, 2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            st.sampled_from(["left", "right", "tie", "both bad"]),
            st.lists(st.integers(1, 5), min_size=6, max_size=6),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_answers_round_trip(
    tmp_path: Path, texts: list[tuple[str, str, str, list[int]]]
) -> None:
    base, tuned, _, _ = zip(*texts, strict=True)
    pairs = pair_answers(evaluation(BASE, list(base)), evaluation(TUNED, list(tuned)))
    path = written(tmp_path, pairs)
    table = table_of(path)
    order = shown_order(pairs, "kim")
    for row, one, (_, _, choice, given_scores) in zip(table, order, texts, strict=True):
        assert (restored(row["left"]), restored(row["right"])) == (one.left, one.right)
        fill(row, choice, "".join(map(str, given_scores)))
    save(path, table)
    reading = read(path, pairs)
    assert reading.faults == () and reading.unrated == 0
    for rating, one, (_, _, choice, given_scores) in zip(
        reading.ratings, order, texts, strict=True
    ):
        assert (rating.row, rating.choice) == (one.pair.row, choice.replace(" ", "_"))
        assert [*rating.left.values(), *rating.right.values()] == given_scores


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("choice", "up", "'up' is none of left, right, tie, both bad. Write left, right, tie or"),
        ("choice", "", "'' is empty, and other cells of the row are not. Fill it in, or empty"),
        ("left accuracy", "6", "'6' is no whole number from 1 to 5. Write 1, 2, 3, 4 or 5."),
        ("right fluency", "", "'' is empty, and other cells of the row are not. Fill it in, or"),
        ("id", "12", "'12' is no id of a row. Copy the id from the sheet as it was written."),
    ],
)
def test_faults_name_row_column_value_and_remedy(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    path = written(tmp_path)
    table = table_of(path)
    fill(table[0], "tie", "333333")
    fill(table[1], "tie", "333333")
    table[1][column] = value
    save(path, table)
    reading = read(path)
    assert len(reading.ratings) == 1 and reading.unrated == 2
    (fault,) = reading.faults
    assert str(fault).startswith(f'row 3, column "{column}": {said}')


def test_rows_that_stand_twice_or_belong_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path)
    table = table_of(path)
    fill(table[0], "tie", "333333")
    stranger = {**table[0], "id": "s0123456789ab-1"}
    beyond = {**table[0], "id": table[0]["id"][:-1] + "9"}
    save(path, [table[0], table[0], stranger, beyond])
    reading = read(path)
    assert len(reading.ratings) == 1
    assert [(fault.row, fault.reason) for fault in reading.faults] == [
        (3, "stands here twice"),
        (4, "does not belong to this sheet"),
        (5, "does not belong to this sheet"),
    ]


def test_a_row_that_is_broken_as_csv_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    table = table_of(path)
    fill(table[0], "tie", "333333")
    save(path, table)
    lines = path.read_bytes().split(b"\r\n")
    lines[2] += b",one,more"
    path.write_bytes(b"\r\n".join(lines))
    reading = read(path)
    assert len(reading.ratings) == 1 and reading.unrated == 2
    assert [fault.row for fault in reading.faults] == [3]


def test_rows_and_columns_may_be_added_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path)
    table = table_of(path)
    fill(table[3], "r", "123451")
    keep = [{"note": "ok", **row} for row in table[2:]]
    for row in keep:
        del row["prompt"], row["left"]
    empty = dict.fromkeys(keep[0], "")
    save(path, [*keep, empty])
    reading = read(path)
    assert [rating.choice for rating in reading.ratings] == ["right"]
    assert reading.unrated == 1 and reading.faults == ()


def test_a_sheet_that_is_none(tmp_path: Path) -> None:
    path = written(tmp_path)
    table = table_of(path)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read(tmp_path / "other.csv")
    for row in table:
        del row["choice"]
    save(path, table)
    with pytest.raises(ValueError, match='lacks the column "choice". Keep the first line'):
        read(path)
    path = written(tmp_path)
    table = table_of(path)
    for row in table:
        row["id"] = "x"
    save(path, table)
    with pytest.raises(ValueError, match="no row has an id of a sheet that was written"):
        read(path)


def test_the_key_is_missing_broken_or_newer(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(FileNotFoundError, match="nobody knows which side"):
        read_sheet(path, tmp_path / "elsewhere", PAIRS)
    (key,) = (tmp_path / "keys").iterdir()
    values = json.loads(key.read_text(encoding="utf-8"))
    key.write_text(json.dumps({**values, "form": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match="is of form 2; this version reads form 1"):
        read(path)
    key.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="is no key of a sheet"):
        read(path)


def test_a_sheet_of_other_answers(tmp_path: Path) -> None:
    path = written(tmp_path)
    table = table_of(path)
    fill(table[0], "tie", "333333")
    save(path, table)
    others = pair_answers(evaluation(BASE, ["x"] * 4), evaluation(TUNED, ["y"] * 4))
    with pytest.raises(ValueError, match="was rated with other answers than those of these models"):
        read(path, others)


def test_ratings_so_far_are_filled_in(tmp_path: Path) -> None:
    path = written(tmp_path)
    table = table_of(path)
    fill(table[1], "both bad", "543212")
    save(path, table)
    (rating,) = read(path).ratings
    again = tmp_path / "again.csv"
    order = shown_order(PAIRS, "kim")
    write_sheet(again, tmp_path / "keys", order, "kim", given={rating.row: rating})
    assert table_of(again) == table


def test_what_excel_would_cut_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = pair_answers(evaluation(BASE, ["가" * 40_000]), evaluation(TUNED, ["나"]))
    with caplog.at_level(logging.WARNING):
        path = written(tmp_path, pairs)
    assert "has 40000 characters, and Excel cuts it after 32767" in caplog.text
    table = path.read_text(encoding="utf-8")
    assert "가" * 40_000 in table
    reading = read(path, pairs)
    assert reading.unrated == 1
