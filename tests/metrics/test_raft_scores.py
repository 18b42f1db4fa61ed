"""RAFT scores: each row decided by hand, in the paper's notation and gorilla's."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitsft.metrics import Raft
from bitsft.metrics.raft_scores import raft_scores

ORACLE = "서울은 대한민국의 수도이다.\n인구는 약 천만 명이다."
DISTRACTOR = "부산은 항구 도시이다."


def row(answer: str = "서울", **values: Any) -> dict[str, Any]:
    return {
        "question": "대한민국의 수도는?",
        "context": [DISTRACTOR, ORACLE],
        "answer": answer,
        "oracle_context": ORACLE,
        **values,
    }


def quoting(*quotes: str) -> str:
    marked = " ".join(f"##begin_quote##{quote}##end_quote##" for quote in quotes)
    return f"##Reason: {marked} ##Answer: 서울"


def of(text: str, **values: Any) -> dict[str, float]:
    """The scores of one answer; NaN where a score leaves the row out."""
    scores = raft_scores([text], [row(**values)])
    return {name.removeprefix("raft_"): float(score.rows[0]) for name, score in scores.items()}


def test_as_a_metric_of_evaluate(tmp_path: Path) -> None:
    gorilla = {
        "question": "대한민국의 수도는?",
        "context": {"title": [["a", "b"]], "sentences": [[DISTRACTOR, ORACLE]]},
        "oracle_context": ORACLE,
        "cot_answer": "##Reason: 문서에 있다. ##Answer: 서울",
        "instruction": "",
        "type": "general",
        "id": "seed_0",
    }
    unknown = {"question": "수도는?", "context": DISTRACTOR, "answer": "부산"}  # no oracle
    rows = [row(), gorilla, unknown]
    texts = [quoting(ORACLE), quoting(DISTRACTOR), quoting(DISTRACTOR)]
    metric = Raft(cache_dir=str(tmp_path))
    metric.add_batch(predictions=texts[:2], references=rows[:2])
    metric.add(prediction=texts[2], reference=rows[2])
    values = metric.compute()
    assert values == {name: score.value for name, score in raft_scores(texts, rows).items()}
    assert values["raft_answer_correct"] == pytest.approx(2 / 3)
    assert values["raft_quotes_verbatim"] == values["raft_distractor_quoted"] == 0.5
    with pytest.raises(ValueError, match="question"):
        metric.add_batch(predictions=["a"], references=[{"context": "b", "answer": "c"}])


@pytest.mark.parametrize(
    ("text", "answer", "correct", "f1", "found", "marked"),
    [
        ("##Reason: 문서에 있다. ##Answer: 서울", "서울", 1, 1, 1, 1),
        ("문서에 있다.\n<ANSWER>: 서울", "서울", 1, 1, 1, 1),
        ("<ANSWER>：서울", "서울", 1, 1, 1, 1),
        ("##Answer: '서울'.", "서울", 1, 1, 1, 1),  # KorQuAD's normalization
        ("##Answer: 서울입니다", "서울", 0, 4 / 7, 1, 1),
        ("##Answer: 수도는 서울이다", "서울", 0, 4 / 9, 1, 1),
        ("##Answer: 부산", "서울", 0, 0, 0, 1),
        ("##Reason: 서울이 수도다. ##Answer: 부산", "서울", 0, 0, 0, 1),
        ("서울", "서울", 0, 0, 1, 0),  # no marker, so no final answer
        ("##Answer: ", "서울", 0, 0, 0, 0),
        ("", "서울", 0, 0, 0, 0),
        ("##Answer: 13명", "3", 0, 0.5, 0, 1),  # a number must end where the reference's does
        ("##Answer: 3명", "3", 0, 2 / 3, 1, 1),
        ("##Answer: 예", "예", 1, 1, 1, 1),
        ("##Answer: 예를 들면", "예", 0, 0.4, 0, 1),  # a verdict is not looked for
    ],
)
def test_final_answers(
    text: str, answer: str, correct: float, f1: float, found: float, marked: float
) -> None:
    values = of(text, answer=answer)
    assert values["answer_correct"] == correct
    assert values["answer_f1"] == pytest.approx(f1)
    assert values["answer_found"] == found
    assert values["marked"] == marked


NAN = pytest.approx(float("nan"), nan_ok=True)


@pytest.mark.parametrize(
    ("quotes", "verbatim", "distractor", "nowhere"),
    [
        (["서울은 대한민국의 수도이다."], 1, 0, 0),
        (["대한민국의 수도", "천만 명"], 1, 0, 0),
        (["수도이다. 인구는"], 1, 0, 0),  # white space is free
        ([unicodedata.normalize("NFD", "대한민국의 수도")], 1, 0, 0),
        (["부산은 항구"], 0, 1, 0),
        (["이다."], 1, 0, 0),  # in both: it may come from the oracle
        (["서울은 한국의 수도이다."], 0, 0, 1),
        (["서울은 대한민국의 수도이다.", "부산은 항구"], 0, 1, 0),
        (["부산은 항구", "없는 말"], 0, 1, 1),
        (["없는 말", "없는 말"], 0, 0, 1),
        ([""], 0, 0, 1),
    ],
)
def test_quotes(quotes: list[str], verbatim: float, distractor: float, nowhere: float) -> None:
    values = of(quoting(*quotes))
    assert values["quoted"] == 1
    assert values["quotes_verbatim"] == verbatim
    assert values["distractor_quoted"] == distractor
    assert values["quote_nowhere"] == nowhere


@pytest.mark.parametrize("text", ["##Answer: 서울", "##begin_quote##서울은 ##Answer: 서울"])
def test_an_answer_without_a_quote_is_left_out_of_what_judges_quotes(text: str) -> None:
    values = of(text)
    assert values["quoted"] == 0
    assert values["quotes_verbatim"] == NAN
    assert values["distractor_quoted"] == NAN
    assert values["quote_nowhere"] == NAN


def test_a_row_without_oracle_is_judged_by_its_documents_only() -> None:
    values = of(quoting("서울은 대한민국의 수도"), oracle_context=None)
    assert (values["quoted"], values["quote_nowhere"]) == (1, 0)
    assert values["quotes_verbatim"] == NAN
    assert values["distractor_quoted"] == NAN
    assert of(quoting("없는 말"), oracle_context=None)["quote_nowhere"] == 1


def test_an_oracle_that_the_context_lacks_still_counts() -> None:
    values = of(quoting("천만 명"), context=[DISTRACTOR])
    assert (values["quotes_verbatim"], values["quote_nowhere"]) == (1, 0)


def test_values_are_shares_of_the_rows_that_count() -> None:
    texts = [quoting("천만 명"), quoting("부산은 항구"), "##Answer: 부산", quoting("없는 말")]
    rows = [row(), row(), row(), row(oracle_context=None)]
    scores = raft_scores(texts, rows)
    assert {name: score.value for name, score in scores.items()} == pytest.approx(
        {
            "raft_answer_correct": 3 / 4,
            "raft_answer_f1": 3 / 4,
            "raft_answer_found": 3 / 4,
            "raft_marked": 1.0,
            "raft_quoted": 3 / 4,
            "raft_quotes_verbatim": 1 / 2,
            "raft_distractor_quoted": 1 / 2,
            "raft_quote_nowhere": 1 / 3,
        }
    )
    np.testing.assert_array_equal(scores["raft_quotes_verbatim"].rows, [1, 0, np.nan, np.nan])
    assert scores["raft_quotes_verbatim"].subset([0, 2]).value == 1.0
    assert scores["raft_quotes_verbatim"].subset([2, 3]).value == 0.0  # over no rows
    lower = {name for name, score in scores.items() if score.goal == "lower"}
    assert lower == {"raft_distractor_quoted", "raft_quote_nowhere"}
    assert "unmarked:0" in scores["raft_answer_correct"].signature
    assert "rows:quoted+oracle" in scores["raft_quotes_verbatim"].signature


def test_gorillas_rows() -> None:
    gorilla = {
        "question": "대한민국의 수도는?",
        "context": {"title": [["placeholder_title"] * 2], "sentences": [[DISTRACTOR, ORACLE]]},
        "oracle_context": ORACLE,
        "cot_answer": "문서에 따르면 그렇다. <ANSWER>: 서울",
    }
    scores = raft_scores([quoting("천만 명")], [gorilla])
    assert scores["raft_answer_correct"].value == 1.0
    assert scores["raft_quotes_verbatim"].value == 1.0


def test_errors() -> None:
    with pytest.raises(ValueError, match="1 predictions but 2 references"):
        raft_scores(["가"], [row(), row()])
    with pytest.raises(ValueError, match="both lists are empty"):
        raft_scores([], [])
    with pytest.raises(ValueError, match="row 1.*question"):
        raft_scores(["가", "나"], [row(), row(question=None)])
