import pytest

from bitsft.data.quality.groundedness import VERDICT
from bitsft.data.quality.relevance import SHORT_ANSWER
from bitsft.data.quality.row_scores import (
    LABEL,
    NO_DOCUMENTS,
    NO_QUESTION,
    TRANSLATION,
    RowTexts,
    score_row,
)

ROWS = {
    "raft": {
        "task": "raft",
        "question": "대한민국의 수도는 어디인가요?",
        "context": ["부산은 항구이다.", "서울은 대한민국의 수도이다."],
        "answer": "서울",
    },
    "qa": {
        "task": "qa",
        "question": "수도는?",
        "context": "서울은 대한민국의 수도이다.",
        "answers": ["한양", "서울"],
    },
    "summarization": {
        "task": "summarization",
        "document": "오늘 회의가 세 시로 미뤄졌다.",
        "summary": "회의 연기",
    },
    "koalpaca": {
        "task": "koalpaca",
        "instruction": "양파는 어떤 식물 부위인가요?",
        "output": "양파는 식물의 줄기 부위입니다.",
    },
    "classification": {"task": "classification", "text": "재미있다", "label": "긍정"},
    "translation": {"task": "translation", "source": "물", "target": "water"},
    "preference": {
        "task": "preference",
        "prompt": "서울의 인구는?",
        "chosen": "서울의 인구는 천만입니다.",
        "rejected": "모르겠다.",
    },
    "dialogue": {
        "task": "dialogue",
        "messages": [
            {"role": "system", "content": "친절하게"},
            {"role": "user", "content": "서울의 인구는?"},
            {"role": "assistant", "content": "서울의 인구는 천만입니다."},
        ],
    },
}


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("raft", (1.0, 1.0, None)),
        ("qa", (1.0, 1.0, None)),
        ("summarization", (0.5, None, None)),
        ("koalpaca", (None, None, 1.0)),
        ("classification", (None, None, None)),
        ("translation", (None, None, None)),
        ("preference", (None, None, 1.0)),
        ("dialogue", (None, None, 1.0)),
    ],
)
def test_the_scores_of_each_task(task: str, expected: tuple[float | None, ...]) -> None:
    scores = score_row(ROWS[task])
    found = (scores.groundedness, scores.question_context, scores.question_answer)
    assert found == expected
    names = ("groundedness", "question_context", "question_answer")
    assert set(scores.not_judged) == {n for n, v in zip(names, found, strict=True) if v is None}


def test_reasons() -> None:
    assert score_row(ROWS["raft"]).not_judged == {"question_answer": SHORT_ANSWER}
    assert score_row(ROWS["raft"] | {"answer": "예"}).not_judged["groundedness"] == VERDICT
    assert score_row(ROWS["classification"]).not_judged == {
        "groundedness": LABEL,
        "question_context": NO_DOCUMENTS,
        "question_answer": LABEL,
    }
    assert score_row(ROWS["translation"]).not_judged["groundedness"] == TRANSLATION
    assert score_row(ROWS["summarization"]).not_judged == {
        "question_context": NO_QUESTION,
        "question_answer": NO_QUESTION,
    }


def test_without_its_oracle_a_raft_row_is_not_grounded() -> None:
    scores = score_row(ROWS["raft"] | {"context": ["부산은 항구이다."]})
    assert (scores.groundedness, scores.question_context) == (0.0, 0.0)
    assert scores.missing == ("서울",)
    assert scores.lowest == 0.0


def test_the_lowest() -> None:
    assert score_row(ROWS["koalpaca"]).lowest == 1.0
    assert score_row(ROWS["classification"]).lowest is None
    half = ROWS["raft"] | {"question": "대한민국의 인구는?"}
    assert score_row(half).lowest == 0.5


def test_letters() -> None:
    assert score_row(ROWS["translation"]).letters == {"hangul": 1, "latin": 5}


def test_the_texts_of_a_dialogue() -> None:
    texts = RowTexts.of(ROWS["dialogue"])
    assert texts == RowTexts("서울의 인구는?", ("서울의 인구는 천만입니다.",), ())


def test_an_unchecked_row() -> None:
    with pytest.raises(ValueError, match="has no 'task'; pass it through check_records first"):
        score_row({"question": "a"})
