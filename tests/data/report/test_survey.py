import random

import pytest

from bitsft.data.report.survey import Reservoir, TaskSurvey, survey_rows
from tests.data.report.rows import asked, classified, formatted, small


def surveyed(rows: dict, **options: int) -> dict[str, TaskSurvey]:
    return survey_rows(rows, None, **{"samples": 2, "token_rows": 5, "seed": 0, **options})


def test_counts_by_task_and_split() -> None:
    tasks = surveyed(small())
    assert list(tasks) == ["classification", "koalpaca"]
    assert tasks["classification"].rows == {"train": 21, "validation": 1, "test": 1}
    assert tasks["koalpaca"].rows == {"train": 9, "validation": 1}
    assert tasks["classification"].answers == {
        "train": {"긍정": 14, "부정": 7},
        "validation": {"부정": 1},
        "test": {"긍정": 1},
    }


def test_lengths_are_those_of_prompt_and_completion() -> None:
    tasks = surveyed({"train": [formatted("질문:", " 답"), formatted("긴 질문:", " 긴 답")]})
    (task,) = tasks.values()
    assert (list(task.prompt), list(task.completion)) == ([3, 5], [2, 4])


def test_samples_come_from_the_first_split_and_are_the_same_each_time() -> None:
    first, again, other = (surveyed(small(), seed=seed) for seed in (3, 3, 4))
    kept = first["classification"].shown.kept
    assert kept == again["classification"].shown.kept
    assert kept != other["classification"].shown.kept
    assert len(kept) == 2
    assert {split for split, _ in kept} == {"train"}
    assert len(first["classification"].counted.kept) == 5


def test_rows_of_another_task_do_not_change_the_samples() -> None:
    rows = small()
    alone = {split: [row for row in rows[split] if row["task"] == "koalpaca"] for split in rows}
    mixed_rows = [rows["train"][i]["instruction"] for _, i in surveyed(rows)["koalpaca"].shown.kept]
    alone_rows = [
        alone["train"][i]["instruction"] for _, i in surveyed(alone)["koalpaca"].shown.kept
    ]
    assert mixed_rows == alone_rows


def test_reservoir_is_uniform() -> None:
    hits = [0] * 10
    for seed in range(2000):
        reservoir = Reservoir(3, random.Random(seed))
        for index in range(10):
            reservoir.offer(("train", index))
        for _, index in reservoir.kept:
            hits[index] += 1
    assert all(500 < count < 700 for count in hits)  # 600 each; one deviation is about 20


def test_an_empty_reservoir_stays_empty() -> None:
    reservoir = Reservoir(0, random.Random(0))
    reservoir.offer(("train", 0))
    assert reservoir.kept == []


def test_free_text_is_no_label() -> None:
    tasks = surveyed({"train": [asked(f"{n}?", f"답 {n}") for n in range(400)]})
    assert not tasks["koalpaca"].has_labels
    repeated = surveyed({"train": [asked(f"{n}?", "예" if n % 2 else "아니요") for n in range(40)]})
    assert repeated["koalpaca"].has_labels
    assert surveyed({"train": [classified("글", "긍정")]})["classification"].has_labels


def test_more_different_answers_than_a_label_has_are_forgotten() -> None:
    tasks = surveyed({"train": [asked(f"{n}?", f"답 {n}") for n in range(1001)]})
    assert tasks["koalpaca"].answers is None


def test_refused_rows_are_counted() -> None:
    tasks = surveyed({"train": [asked("질문?", "답"), asked("", "답"), asked("", "답")]})
    task = tasks["koalpaca"]
    assert (task.refused, len(task.prompt), task.rows["train"]) == (2, 1, 3)
    assert task.refusal.startswith("train, row 1: field 'instruction' is empty")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("글", "train, row 0 is of type str; give each row as a dict"),
        ({"text": "글"}, "train, row 0: the row with the columns"),
        ({"task": "poem"}, "train, row 0: task='poem' is not known"),
    ],
)
def test_rows_that_are_none(row: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        surveyed({"train": [row]})
    assert message in str(caught.value)
