import logging
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from bitsft.data.fields import RowError
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder import ChunkPool, RaftCounts, build_raft
from bitsft.data.records import Record

CITIES = [
    "서울",
    "부산",
    "대구",
    "인천",
    "광주",
    "대전",
    "울산",
    "세종",
    "수원",
    "청주",
    "전주",
    "포항",
]
THINGS = [
    "사과",
    "배추",
    "고추",
    "마늘",
    "감자",
    "호두",
    "대추",
    "딸기",
    "참외",
    "수박",
    "보리",
    "콩나물",
]
PARAGRAPHS = [
    f"{city}에서 만난 농부는 {thing} 이야기를 오래 들려주었다."
    for city, thing in zip(CITIES, THINGS, strict=True)
]
ROWS = [
    {
        "question": f"{city}의 농부는 무엇을 말했나?",
        "context": text,
        "answers": [thing],
        "task": "qa",
    }
    for city, thing, text in zip(CITIES, THINGS, PARAGRAPHS, strict=True)
]
COT = "##begin_quote## 농부는 사과 이야기를 ##end_quote## 라고 했다."


def build(
    rows: list[Any] = ROWS, documents: Any = (), ledger: Ledger | None = None, **options: Any
) -> list[dict[str, Any]]:
    ledger = Ledger() if ledger is None else ledger
    # The paragraphs above are all made from one form.
    options.setdefault("near_copy", 1)
    made = [record.values for record in build_raft(documents, rows, ledger=ledger, **options)]
    ledger.count_out(len(made))
    ledger.check_balance()
    return made


def test_a_row_with_its_oracle() -> None:
    (first, *_) = build(p=1)
    assert list(first) == ["task", "question", "context", "answer", "oracle_context"]
    assert (first["task"], first["answer"]) == ("raft", "사과")
    assert first["oracle_context"] == PARAGRAPHS[0]
    assert len(first["context"]) == 4
    assert first["context"].count(PARAGRAPHS[0]) == 1
    assert set(first["context"]) <= set(PARAGRAPHS)


def test_a_row_without_its_oracle_has_one_distractor_more() -> None:
    for row in build(p=0):
        assert len(set(row["context"])) == 4
        assert row["oracle_context"] not in row["context"]


def test_the_answer_stays_without_the_oracle() -> None:
    assert [row["answer"] for row in build(p=0)] == THINGS


def test_refusing_without_the_oracle() -> None:
    rows = build(p=0.5, missing_oracle="refuse")
    refusal = "주어진 문서에서 답을 찾을 수 없습니다."
    for row, thing in zip(rows, THINGS, strict=True):
        has_oracle = row["oracle_context"] in row["context"]
        assert row["answer"] == (thing if has_oracle else refusal)
    assert {row["answer"] for row in rows} & {refusal}
    (own, *_) = build(p=0, missing_oracle="refuse", refusal="모름")
    assert own["answer"] == "모름"


def test_refused_rows_never_show_the_answer() -> None:
    documents = [f"시장에서 {thing} 값을 물었다." for thing in THINGS]
    rows = build(
        documents=documents, p=0, missing_oracle="refuse", allow_answer_in_distractors=True
    )
    for row, thing in zip(rows, THINGS, strict=True):
        assert not any(thing in text for text in row["context"])


def test_answers_in_distractors_only_where_allowed() -> None:
    documents = [f"시장에서 사과 값을 물었다. 번호 {number}" for number in range(30)]
    (row,) = build(ROWS[:1], documents, p=1, allow_answer_in_distractors=True)
    assert sum("사과" in text for text in row["context"]) == 4
    ledger = Ledger()
    assert build(ROWS[:1], documents, ledger, p=1) == []
    assert ledger.rejections == {("raft_builder", "context", "has too few distractors"): 1}
    assert ledger.rejected_rows[0].detail == (
        "0 of 3 among 31 chunks; 30 hold the answer, 0 are near copies of the oracle"
    )


@pytest.mark.parametrize("p", [0.0, 0.3, 0.8, 1.0])
def test_the_share_with_oracle(p: float) -> None:
    rows = [{**ROWS[0], "question": f"{number}번째 질문"} for number in range(4000)]
    counts = RaftCounts()
    made = build(rows, PARAGRAPHS, p=p, counts=counts)
    with_oracle = sum(row["oracle_context"] in row["context"] for row in made)
    assert counts.with_oracle == with_oracle
    assert counts.share_with_oracle == with_oracle / 4000
    # Five standard deviations.
    assert abs(with_oracle / 4000 - p) <= 5 * (p * (1 - p) / 4000) ** 0.5


def test_the_oracle_stands_everywhere_equally_often() -> None:
    rows = [{**ROWS[0], "question": f"{number}번째 질문"} for number in range(4000)]
    made = build(rows, PARAGRAPHS, p=1)
    places = Counter(row["context"].index(row["oracle_context"]) for row in made)
    # Chi-square with 3 degrees of freedom: 16.3 is exceeded once in a thousand.
    assert sum((places[place] - 1000) ** 2 / 1000 for place in range(4)) < 16.3


def test_seeds() -> None:
    assert build(seed=1) == build(seed=1)
    assert build(seed=1) != build(seed=2)


def test_too_few_distractors() -> None:
    ledger = Ledger()
    assert build(ROWS[:3], ledger=ledger, p=1) == []
    assert ledger.rows_rejected == 3
    with pytest.raises(RowError, match="context"):
        build(ROWS[:3], ledger=Ledger(strict=True), p=1)


def test_fewer_distractors_when_asked_for() -> None:
    ledger, counts = Ledger(), RaftCounts()
    made = build(ROWS[:3], ledger=ledger, p=1, too_few="fewer", counts=counts)
    assert [len(row["context"]) for row in made] == [3, 3, 3]
    assert counts.fewer == 3
    assert ledger.changes["raft_builder", "fewer distractors"].rows == 3


def test_not_one_document_is_a_reject_in_any_case() -> None:
    assert build(ROWS[:1], p=0, too_few="fewer") == []
    assert build(ROWS[:1], p=1, too_few="fewer")[0]["context"] == [PARAGRAPHS[0]]


def test_the_chain_of_thought() -> None:
    rows = [{**ROWS[0], "cot": COT, "instruction": "답하세요."}]
    (row,) = build(rows, PARAGRAPHS, p=1)
    assert (row["cot"], row["instruction"]) == (COT, "답하세요.")
    counts = RaftCounts()
    assert "cot" not in build(rows, PARAGRAPHS, p=0, counts=counts)[0]
    assert counts.chains_dropped == 1
    assert build(rows, PARAGRAPHS, p=0, cot_without_oracle="keep")[0]["cot"] == COT
    refused = build(rows, PARAGRAPHS, p=0, cot_without_oracle="keep", missing_oracle="refuse")
    assert "cot" not in refused[0]


def test_invented_quotes_are_rejected() -> None:
    ledger = Ledger()
    rows = [{**ROWS[0], "cot": "##begin_quote##농부는 배추 이야기를##end_quote## 라고 했다."}]
    assert build(rows, PARAGRAPHS, ledger, p=1) == []
    (rejected,) = ledger.rejected_rows
    assert (rejected.field, rejected.reason) == ("cot", "quotes what its document does not say")
    assert rejected.detail == "1 quotes, e.g. '농부는 배추 이야기를'"


def test_the_chunk_with_the_answer_is_the_oracle() -> None:
    long = "첫 문장은 날씨 이야기다. 둘째 문장에 사과가 나온다. 셋째 문장은 그저 그렇다."
    rows = [{"question": "무엇이 나오나?", "context": long, "answer": "사과"}]
    (row,) = build(rows, chunk_size=18, p=1, distractors=2)
    assert row["oracle_context"] == "둘째 문장에 사과가 나온다."
    assert sorted(row["context"]) == [
        "둘째 문장에 사과가 나온다.",
        "셋째 문장은 그저 그렇다.",
        "첫 문장은 날씨 이야기다.",
    ]


def test_documents_by_id() -> None:
    documents = [{"text": text, "id": number} for number, text in enumerate(PARAGRAPHS)]
    rows = [{"question": "무엇?", "answer": "사과", "document_id": 0, "id": "q1"}]
    (row,) = build(rows, documents, p=1)
    assert (row["oracle_context"], row["id"]) == (PARAGRAPHS[0], "q1")


def test_rows_that_ask_the_same_do_not_distract_each_other() -> None:
    rows = [{**row, "question": "누가 무엇을 말했나?"} for row in ROWS[:4]]
    assert build(rows, p=1) == []
    documents = PARAGRAPHS[4:]
    for row in build(rows, documents, p=0.5):
        assert set(row["context"]) - {row["oracle_context"]} <= set(documents)


def test_hard_distractors_are_like_the_question() -> None:
    documents = [f"{city}의 농부와 어부" for city in CITIES]
    pool = ChunkPool()
    pool.add_documents(documents)
    counts = RaftCounts()
    made = build(ROWS[:1], pool, p=1, hard=1, distractors=1, counts=counts)
    assert "서울의 농부와 어부" in made[0]["context"]
    assert (counts.hard, counts.random, counts.hard_missed) == (1, 0, 0)


def test_what_bm25_cannot_find_is_drawn_and_counted() -> None:
    rows = [{"question": "zzz", "context": "하나", "answer": "둘"}]
    counts = RaftCounts()
    assert len(build(rows, PARAGRAPHS, hard=1, p=1, counts=counts)) == 1
    assert (counts.hard, counts.random, counts.hard_missed) == (0, 3, 3)


def test_records_keep_their_origin_and_are_not_touched() -> None:
    record = Record(dict(ROWS[0]), "a.csv", 17)
    ledger = Ledger()
    ledger.count_in()
    (made,) = build_raft(PARAGRAPHS, [record], ledger=ledger, near_copy=1)
    assert (made.source, made.number) == ("a.csv", 17)
    assert record.values == ROWS[0]


def test_half_surrogates_are_rejected_not_raised() -> None:
    ledger = Ledger()
    rows = [{**ROWS[0], "question": "누구\ud83d"}, *ROWS[1:]]
    assert len(build(rows, ledger=ledger)) == len(ROWS) - 1
    assert ledger.rejected_rows[0].field == "question"


def test_the_counts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bitsft.data.raft_builder"):
        build(p=1)
    assert "12 RAFT rows, 12 (100.0%) with their oracle; 0 hard and 36 random" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 1.1}, "p=1.1"),
        ({"hard": -1}, "hard=-1"),
        ({"near_copy": 2}, "near_copy=2"),
        ({"distractors": -1}, "distractors=-1"),
        (
            {"missing_oracle": "drop"},
            "missing_oracle='drop' is not known; use 'answer' or 'refuse'",
        ),
        ({"cot_without_oracle": "x"}, "cot_without_oracle='x'"),
        ({"too_few": "x"}, "too_few='x'"),
        ({"refusal": " "}, "refusal is empty"),
        ({"chunk_size": 0}, "max_size=0"),
    ],
)
def test_senseless_options_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_raft([], [], ledger=Ledger(), **options)


def test_a_pool_brings_its_own_chunk_size() -> None:
    with pytest.raises(ValueError, match="belong to the ChunkPool"):
        build_raft(ChunkPool(), [], ledger=Ledger(), chunk_size=100)


def test_bm25s_is_only_needed_for_hard_distractors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    assert len(build()) == 12
    with pytest.raises(ImportError, match="bitsft.data."):
        build(hard=0.5)


def test_importing_it_is_light() -> None:
    code = (
        "import sys, bitsft.data.raft_builder, bitsft.data.augment\n"
        "print([m for m in ('bm25s', 'numpy', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
