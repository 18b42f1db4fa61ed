"""The ratings file: what is written is read back, also after a crash at any byte."""

import json
import logging
from pathlib import Path

import pytest

from bitsft.blind.ratings import RatingsFile, check_ratings, last_ratings, read_ratings
from tests.blind.evaluations import pairs_of, rating

PAIRS = pairs_of(3)
ONE = rating(PAIRS[0], "김 민수", "left", (5, 4, 3), (2, 1, 5))


def test_ratings_come_back_and_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ratings.jsonl"
    file = RatingsFile(path)
    again = rating(PAIRS[0], "김 민수", "tie")
    for one in (ONE, rating(PAIRS[1], "김 민수", "right"), again, rating(PAIRS[0], "lee", "right")):
        file.add(one)
    found = read_ratings(path)
    assert [one.choice for one in found] == ["left", "right", "tie", "right"]
    assert found[0] == ONE
    assert last_ratings(found)["김 민수", 0] == again
    assert RatingsFile(path).last("김 민수", 0) == again
    assert RatingsFile(path).last("nobody", 0) is None


def test_no_file_is_no_ratings(tmp_path: Path) -> None:
    assert read_ratings(tmp_path / "ratings.jsonl") == []


def test_torn_at_any_byte(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ratings.jsonl"
    first = rating(PAIRS[1], "lee", "tie").as_line().encode()
    second = ONE.as_line().encode()
    for cut in range(len(second) + 1):
        path.write_bytes(first + second[:cut])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            before = read_ratings(path)
        whole = cut >= len(second) - 1  # only the line feed may lack
        assert len(before) == (2 if whole else 1), cut
        said = "the last line is torn" in caplog.text
        assert said == (0 < cut < len(second) - 1), cut
        RatingsFile(path).add(rating(PAIRS[2], "lee", "left"))
        assert [one.row for one in read_ratings(path)] == ([1, 0, 2] if whole else [1, 2]), cut


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(ONE.as_line() + "{}\n" + ONE.as_line(), encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: is no rating .lacks 'scores'.*delete it"):
        read_ratings(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choice": "up"}, "the choice 'up' is none of left, right, tie, both_bad"),
        ({"left": "alpha"}, "left is 'alpha'"),
        ({"row": "0"}, "row is '0'"),
        ({"pair": 5}, "pair is 5, which is no text"),
        ({"rater": ["kim"]}, "the rater's name .'kim'. is not as it is stored"),
        ({"rater": " kim"}, "the rater's name ' kim' is not as it is stored"),
        ({"rater": ""}, "the rater's name '' must have 1 to 60 printable characters"),
        ({"time": 1769850900}, "time is 1769850900, not ISO 8601"),
        ({"time": "yesterday"}, "time is 'yesterday', not ISO 8601"),
        ({"time": None}, "time is None, not ISO 8601"),
        ({"scores": {"left": {}, "right": {}}}, "needs a score for each of"),
    ],
)
def test_wrong_values_in_a_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(json.dumps({**json.loads(ONE.as_line()), **change}) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_ratings(path)


def test_ratings_of_other_answers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    other = rating(PAIRS[1], "lee", "tie")
    check_ratings([ONE, other], PAIRS[:1], path)  # row 1 is not asked for now
    wrong = rating(PAIRS[1], "lee", "tie")
    object.__setattr__(wrong, "row", 0)
    with pytest.raises(ValueError, match="lee rated row 0 with other answers"):
        check_ratings([ONE, wrong], PAIRS, path)
