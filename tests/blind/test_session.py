"""What the page asks for: progress of each rater, and nothing that gives a model away."""

import json
from pathlib import Path

import pytest

from bitsft.blind.pairs import pair_answers, shown_order
from bitsft.blind.ratings import read_ratings
from bitsft.blind.session import BlindSession
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from tests.blind.evaluations import pairs_of, rating, scores

PAIRS = pairs_of(3)
ORDER = shown_order(PAIRS, "kim")
GOOD, BAD = scores(5, 5, 5), scores(1, 2, 1)


def session(folder: Path) -> BlindSession:
    return BlindSession(PAIRS, folder / "ratings.jsonl")


def test_from_the_start_to_the_end(tmp_path: Path) -> None:
    blind = session(tmp_path)
    reply = blind.start(" kim ")
    assert (reply["rater"], reply["done"], reply["total"]) == ("kim", 0, 3)
    assert reply["item"] == {
        "position": 0,
        "prompt": ORDER[0].pair.prompt,
        "context": None,
        "reference": ORDER[0].pair.reference,
        "left": ORDER[0].left,
        "right": ORDER[0].right,
        "given": None,
    }
    for position in range(3):
        reply = blind.save("kim", position, "left", GOOD, BAD)
        assert reply["done"] == position + 1
    assert reply["item"] is None
    assert blind.start("kim")["item"] is None
    assert blind.start("lee")["done"] == 0
    assert [one.row for one in read_ratings(tmp_path / "ratings.jsonl")] == [
        one.pair.row for one in ORDER
    ]


def test_another_process_goes_on_where_the_first_was_killed(tmp_path: Path) -> None:
    session(tmp_path).save("kim", 0, "tie", GOOD, BAD)
    reply = session(tmp_path).start("kim")
    assert reply["done"] == 1 and reply["item"]["position"] == 1


def test_going_back_and_changing(tmp_path: Path) -> None:
    blind = session(tmp_path)
    blind.save("kim", 0, "left", GOOD, BAD)
    before = blind.item("kim", 0)["item"]
    assert before["given"] == {"choice": "left", "left": GOOD, "right": BAD}
    assert blind.save("kim", 0, "right", BAD, GOOD)["item"]["position"] == 1
    assert blind.item("kim", 0)["item"]["given"]["choice"] == "right"
    assert len(read_ratings(tmp_path / "ratings.jsonl")) == 2
    blind.save("kim", 0, "right", BAD, GOOD)  # nothing changed
    assert len(read_ratings(tmp_path / "ratings.jsonl")) == 2


def test_rows_that_were_skipped_come_again(tmp_path: Path) -> None:
    blind = session(tmp_path)
    assert blind.save("kim", 2, "tie", GOOD, BAD)["item"]["position"] == 0


def test_looking_through_what_is_rated(tmp_path: Path) -> None:
    blind = session(tmp_path)
    for position in range(3):
        blind.save("kim", position, "left", GOOD, BAD)
    assert blind.save("kim", 0, "left", GOOD, BAD)["item"]["position"] == 1
    assert blind.save("kim", 2, "left", GOOD, BAD)["item"] is None


def test_a_rating_from_a_sheet_with_other_sides_is_turned(tmp_path: Path) -> None:
    shown = ORDER[0]
    other = rating(
        shown.pair, "kim", "left", (5, 5, 5), (1, 2, 1), base_on_left=not shown.base_on_left
    )
    (tmp_path / "ratings.jsonl").write_text(other.as_line(), encoding="utf-8")
    given = session(tmp_path).item("kim", 0)["item"]["given"]
    assert given == {"choice": "right", "left": BAD, "right": GOOD}


def test_without_reference_and_context(tmp_path: Path) -> None:
    answer = Answer(0, "p", "비밀", "a", 1, True, source={"question": "q", "context": "문맥"})
    evaluation = Evaluation("m", (answer,), {}, "greedy", {})
    pairs = pair_answers(evaluation, evaluation)
    shown = BlindSession(pairs, tmp_path / "r.jsonl").start("kim")["item"]
    assert (shown["prompt"], shown["context"], shown["reference"]) == ("q", "문맥", "비밀")
    reply = BlindSession(pairs, tmp_path / "r.jsonl", with_reference=False).start("kim")
    assert (reply["item"]["context"], reply["item"]["reference"]) == (None, None)
    assert "비밀" not in json.dumps(reply, ensure_ascii=False)


def test_half_a_surrogate_pair_stops_nothing(tmp_path: Path) -> None:
    evaluation = Evaluation("m", (Answer(0, "p\ud83d", "r", "a", 1, True),), {}, "greedy", {})
    reply = BlindSession(pair_answers(evaluation, evaluation), tmp_path / "r.jsonl").start("kim")
    assert reply["item"]["prompt"] == "p?"


def test_wrong_requests_change_nothing(tmp_path: Path) -> None:
    blind = session(tmp_path)
    for values, said in (
        (("kim", 3, "tie", GOOD, BAD), "position 3: there are 3 rows, from 0"),
        (("kim", -1, "tie", GOOD, BAD), "position -1"),
        (("kim", True, "tie", GOOD, BAD), "position True"),
        (("kim", 0, "base", GOOD, BAD), "the choice 'base' is none of"),
        (("kim", 0, None, GOOD, BAD), "the choice None is none of"),
        (("kim", 0, ["left"], GOOD, BAD), "is none of"),
        (("kim", 0, "tie", GOOD, {}), "the right answer needs a score for each of"),
        (("kim", 0, "tie", GOOD, None), "needs the scores of both answers"),
        (("", 0, "tie", GOOD, BAD), "the rater's name ''"),
    ):
        with pytest.raises(ValueError, match=said):
            blind.save(*values)
    assert not (tmp_path / "ratings.jsonl").exists()


def test_ratings_of_other_models_are_not_gone_on_with(tmp_path: Path) -> None:
    wrong = rating(PAIRS[1], "kim", "tie")
    object.__setattr__(wrong, "row", 0)
    (tmp_path / "ratings.jsonl").write_text(wrong.as_line(), encoding="utf-8")
    with pytest.raises(ValueError, match="kim rated row 0 with other answers"):
        session(tmp_path)
