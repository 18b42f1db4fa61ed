"""score_answers: which scores which rows get, and that they are those of the metrics themselves."""

from dataclasses import replace

import numpy as np
import pytest

from bitsft.evaluation.answers import Answer
from bitsft.evaluation.scoring import FAMILIES, TEXT_FAMILIES, score_answers
from bitsft.metrics import bleu, char_f1, rouge

RAFT = {
    "question": "수도는?",
    "context": ["수도는 서울이다.", "부산은 항구다."],
    "oracle_context": "수도는 서울이다.",
    "answer": "서울",
}


def answer(row: int, prediction: str, reference: str, **more: object) -> Answer:
    return Answer(row, "질문", reference, prediction, 3, prediction != "", **more)  # type: ignore[arg-type]


PLAIN = [answer(0, " 서울입니다", "서울입니다"), answer(1, "부산", "대구")]
LABELLED = [
    answer(
        number,
        said,
        label,
        task="classification",
        source={"text": "글", "label": label},
        likelihoods=likely,
    )
    for number, (said, label, likely) in enumerate(
        [
            ("긍정입니다.", "긍정", {"긍정": -1.0, "부정": -2.0}),
            ("글쎄요", "부정", {"긍정": -3.0, "부정": -0.5}),
            ("긍정", "부정", {"긍정": -1.0, "부정": -1.5}),
        ]
    )
]


def test_rows_without_a_task_have_the_text_metrics_only() -> None:
    scores = score_answers(PLAIN, tokenizer="char")
    assert list(scores) == ["all"]
    predictions, references = ["서울입니다", "부산"], ["서울입니다", "대구"]
    assert scores["all"]["rouge1"] == rouge(predictions, references, tokenizer="char")["rouge1"]
    assert scores["all"]["bleu"] == bleu(predictions, references, tokenizer="char")["bleu"]
    assert scores["all"]["char_f1"] == char_f1(predictions, references)["char_f1"]
    assert scores["all"]["exact_match"].value == 0.5
    assert scores["all"]["finished"].value == 1.0
    for name, score in scores["all"].items():
        assert score.rows is not None and len(score.rows) == 2, name
        assert score.statistics is not None, name


def test_one_task_has_its_own_scores_beside_all() -> None:
    scores = score_answers(LABELLED)
    assert list(scores) == ["all", "classification"]
    own = scores["classification"]
    assert "rouge1" not in own
    assert own["accuracy"].value == pytest.approx(1 / 3)
    assert own["no_label"].value == pytest.approx(1 / 3)
    assert own["likelihood_accuracy"].value == pytest.approx(2 / 3)
    assert np.array_equal(own["likelihood_accuracy"].rows, [1, 1, 0])


def test_labels_beside_other_answers_are_not_scored_as_texts() -> None:
    scores = score_answers([*PLAIN, answer(2, "긍정", "긍정", task="koalpaca"), *LABELLED])
    assert "rouge1" in scores["koalpaca"]
    assert scores["classification"].keys() == score_answers(LABELLED)["classification"].keys()


def test_several_tasks_have_their_share_of_the_text_metrics() -> None:
    mixed = [
        answer(0, "답", "답", task="koalpaca"),
        answer(1, "##Answer: 서울", "##Answer: 서울", task="raft", source=RAFT),
        answer(2, "아니", "답", task="koalpaca"),
    ]
    scores = score_answers(mixed)
    assert list(scores) == ["all", "koalpaca", "raft"]
    assert scores["all"]["exact_match"].value == pytest.approx(2 / 3)
    assert scores["koalpaca"]["exact_match"].value == 0.5
    assert np.array_equal(scores["koalpaca"]["exact_match"].rows, [1, 0])
    assert scores["raft"]["exact_match"].value == 1.0
    assert scores["raft"]["raft_answer_correct"].value == 1.0
    assert scores["raft"]["raft_quoted"].value == 0.0
    assert "raft_answer_correct" not in scores["all"]


def test_a_qa_row_is_right_with_any_of_its_answers() -> None:
    source = {"question": "수도는?", "context": "글", "answers": ["서울", "서울특별시"]}
    rows = [
        answer(0, "서울특별시", "서울", task="qa", source=source),
        answer(1, "한양", "서울", task="qa", source=source),
    ]
    scores = score_answers(rows, metrics=["exact_match", "char_f1"])
    assert np.array_equal(scores["all"]["exact_match"].rows, [1, 0])
    assert np.array_equal(scores["all"]["char_f1"].rows, [1, 0])


def test_chosen_families() -> None:
    assert list(score_answers(PLAIN, metrics=["chrf"])["all"]) == ["chrf"]
    only = score_answers(LABELLED, metrics=["likelihood"])
    assert list(only) == ["classification"]
    assert all(name.startswith("likelihood_") for name in only["classification"])
    with pytest.raises(ValueError, match="none of them applies to rows of no task"):
        score_answers(PLAIN, metrics=["raft"])


def test_every_text_family_scores_something() -> None:
    found = [
        name for family in TEXT_FAMILIES for name in score_answers(PLAIN, metrics=[family])["all"]
    ]
    assert sorted(found) == sorted(score_answers(PLAIN)["all"])
    assert set(TEXT_FAMILIES) < set(FAMILIES)


def test_likelihoods_that_are_not_there_are_not_scored() -> None:
    without = [answer(0, "긍정", "긍정", task="classification", source={"label": "긍정"})]
    assert "likelihood_accuracy" not in score_answers(without)["classification"]


def test_a_family_that_one_row_leaves_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    unmeasured = replace(LABELLED[1], likelihoods={})
    scores = score_answers([LABELLED[0], unmeasured, LABELLED[2]])
    assert "likelihood_accuracy" not in scores["classification"]
    assert "1 of 3 rows lack likelihoods of labels, so the scores 'likelihood'" in caplog.text

    caplog.clear()
    whole = answer(0, "##Answer: 서울", "서울", task="raft", source=RAFT)
    scores = score_answers([whole, replace(whole, row=1, source={}), replace(whole, row=2)])
    assert "raft" not in scores
    assert "1 of 3 rows lack a context, so the scores 'raft'" in caplog.text

    caplog.clear()
    score_answers([replace(whole, source={})])  # none has it: there is nothing to compare with
    assert caplog.text == ""


def test_more_classes_than_occur() -> None:
    scores = score_answers(LABELLED, labels=["긍정", "부정", "중립"])
    assert "f1[중립]" in scores["classification"]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="no answers to score"):
        score_answers([])
    with pytest.raises(ValueError, match="metrics has 'rogue'; use any of rouge"):
        score_answers(PLAIN, metrics=["rogue"])
    with pytest.raises(ValueError, match="is one string"):
        score_answers(PLAIN, metrics="rouge")
    with pytest.raises(ValueError, match="metrics is empty"):
        score_answers(PLAIN, metrics=[])
