import unicodedata

import pytest

from bitsft.data.records import Record
from bitsft.data.split import find_leaks
from bitsft.data.split.leaks import Leak


def qa(question: str, context: str, answer: str = "답", **more: object) -> dict:
    return {"task": "qa", "question": question, "context": context, "answers": [answer], **more}


def raft(question: str, oracle: str, *distractors: str) -> dict:
    return {
        "task": "raft",
        "question": question,
        "context": [*distractors, oracle],
        "oracle_context": oracle,
        "answer": "답",
    }


def found(report) -> dict[tuple[str, str, str], int]:
    return {(leak.kind, leak.split, leak.other): leak.rows for leak in report.leaks if leak.rows}


TRAIN = [qa("수도는?", "서울은 수도이다.", id=1), qa("강은?", "한강이 흐른다.")]


def test_each_kind_is_counted_in_rows_of_the_later_split() -> None:
    report = find_leaks(
        {
            "train": TRAIN,
            "validation": [qa("수도는?", "서울은 수도이다.", id=2), qa("산은?", "산이 높다.")],
            "test": [
                qa("어디가 수도?", unicodedata.normalize("NFD", "서울은  수도이다.")),
                qa("강은 ?", "낙동강이 흐른다."),
                qa("강은?", "금강이 흐른다."),
                qa("바다는?", "바다가 넓다."),
            ],
        }
    )
    assert found(report) == {
        ("row", "validation", "train"): 1,
        ("question", "validation", "train"): 1,
        ("document", "validation", "train"): 1,
        ("question", "test", "train"): 2,
        ("document", "test", "train"): 1,
        ("document", "test", "validation"): 1,
    }
    assert Leak("question", "test", "train", 2, 1, ((1, 1), (2, 1))) in report.leaks
    assert report.rows == {"train": 2, "validation": 2, "test": 4}
    assert "question: 2 of 4 rows of test (50.00%) share one with train, e.g. row 1" in str(report)
    assert {
        "kind": "question",
        "split": "test",
        "other": "train",
        "rows": 2,
        "of": 4,
        "groups": 1,
        "examples": [[1, 1], [2, 1]],
    } in report.as_dict()["shared"]


def test_nothing_leaks() -> None:
    report = find_leaks({"train": TRAIN, "test": [qa("산은?", "산이 높다.")]})
    assert report.leaking == ()
    assert str(report) == "nothing leaks"
    assert len(report.leaks) == 3
    assert [each["rows"] for each in report.as_dict()["shared"]] == [0, 0, 0]


def test_distractors_are_told_apart() -> None:
    train = [raft("수도는?", "서울", "부산"), raft("강은?", "한강", "대구")]
    test = [
        raft("산은?", "한라산", "부산"),  # a distractor on both sides
        raft("바다는?", "대구", "동해"),  # the oracle here, a distractor there
        raft("섬은?", "제주", "서울"),  # a distractor here, the oracle there
        raft("들은?", "한강", "김제"),  # the oracle on both sides: a leak
        raft("꽃은?", "장미", "나무"),
    ]
    report = find_leaks({"train": train, "test": test})
    assert found(report) == {("document", "test", "train"): 1, ("distractor", "test", "train"): 3}
    assert [leak.kind for leak in report.leaking] == ["document"]
    (leak,) = (leak for leak in report.leaks if leak.kind == "distractor")
    assert leak.examples == ((0, 0), (1, 1), (2, 0))
    assert "distractor: 3 of 5 rows of test" in str(report)
    assert "(for your information)" in str(report)


def test_columns_and_rows_of_no_task() -> None:
    splits = {
        "train": [{"prompt": "가 나", "completion": "다"}],
        "test": [{"prompt": "가나", "completion": "라"}, {"prompt": None, "completion": "마"}],
    }
    report = find_leaks(splits, columns=["prompt"])
    assert found(report) == {("column 'prompt'", "test", "train"): 1}
    assert report.without_task == 3
    assert "3 rows name no task" in str(find_leaks(splits))
    with pytest.raises(ValueError, match="columns names 'question', but no row has a value there"):
        find_leaks(splits, columns=["question"])


def test_clusters() -> None:
    splits = {"train": [{"text": "안녕하세요"}], "test": [{"text": "안녕하세여"}, {"text": "잘가"}]}
    report = find_leaks(
        splits, cluster_of=lambda record: 1 if record.values["text"].startswith("안녕") else None
    )
    assert found(report) == {("cluster", "test", "train"): 1}


def test_empty_splits_and_bad_arguments() -> None:
    assert find_leaks({"train": TRAIN, "test": []}).leaking == ()
    with pytest.raises(ValueError, match="splits has 1; give 2 to 64"):
        find_leaks({"train": TRAIN})
    with pytest.raises(ValueError, match="a.csv, row 4: .* is no dialogue row"):
        find_leaks({"train": [Record({"task": "dialogue"}, "a.csv", 4)], "test": []})


def test_text_from_outside_may_be_broken() -> None:
    broken = {"task": "koalpaca", "instruction": "반쪽 \ud83d", "output": "답"}
    assert found(find_leaks({"train": [broken], "test": [broken]})) == {
        ("row", "test", "train"): 1,
        ("question", "test", "train"): 1,
    }


def test_the_counts_for_a_manifest() -> None:
    rows = [qa("물음", "글"), qa("다른 물음", "다른 글")]
    report = find_leaks({"train": rows, "none": [], "test": [{"prompt": "가"}, rows[1]]})
    assert report.rows == {"train": 2, "none": 0, "test": 2}
    found = report.as_dict()
    assert found["rows_without_task"] == 1
    pairs = [("none", "train"), ("test", "train"), ("test", "none")]
    shared = {(one["kind"], one["split"], one["other"]): one for one in found["shared"]}
    for kind in ("row", "question", "document"):
        for split, other in pairs:
            leaks = (split, other) == ("test", "train")
            assert shared[kind, split, other] == {
                "kind": kind,
                "split": split,
                "other": other,
                "rows": int(leaks),
                "of": 0 if split == "none" else 2,
                "groups": int(leaks),
                "examples": [[1, 1]] if leaks else [],
            }
