"""Rows that no one writes on purpose: whatever a row holds, it is accounted for, and nothing else raises."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitsft.data.check.records import SCHEMAS, check_records
from bitsft.data.fields import RowError, is_missing
from bitsft.data.format.records import FORMATTERS, format_record
from bitsft.data.ledger import Ledger
from bitsft.data.tasks import TASKS, texts_of

fuzz = settings(
    max_examples=600,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

ODD_TEXTS = [
    "서울",
    " 서울. ",
    "ㅋㅋ",
    "0",
    "True",
    "nan",
    "user",
    "gpt",
    "##Reason:",
    "##Reason: ##Reason: 글",
    "##Answer: 서울",
    "##Answer: ##Reason: 글",
    "##Reason: 글 ##Answer: 서울",
    "하나 ##Answer: 둘 ##Answer: 셋",
    "글 <ANSWER>: 서울",
    "##begin_quote## 글",
    "##begin_quote##글##end_quote##",
    "<DOCUMENT>글</DOCUMENT>",
    "<DOCUMENT></DOCUMENT>",
    "{instruction}",
    "{'text': ['서울']}",
]
INVISIBLE = ["", " ", "\u200b", "\ufeff ", "\u200b \u2060 \u200b", "\u2028", "\x1c\x1f"]
BROKEN = [
    "\ud83d",
    "a\udc00",
    "\x1c글\x1f",
    "a\x00b",
    "\u1109\u1165\u110b\u116e\u11af",
    "\U0001f600",
]
ODD = st.sampled_from([*ODD_TEXTS, *INVISIBLE, *BROKEN])
TEXT = st.one_of(ODD, st.text(max_size=8), st.text("서울 \n#:AnswerRs<>", max_size=20))
SCALAR = st.one_of(
    TEXT,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=4),
    st.sampled_from([math.nan, math.inf, 2**70, -1, 0, 1]),
)
COLUMNS = sorted(
    {column for schema in SCHEMAS.values() for column in schema.reads}
    | {"id", "task", "Q", "A", "질문", "답변", "ko", "en", "본문", "요약", "url", "ID"}
)
NAMES = st.sampled_from(
    ["role", "content", "from", "value", "text", "answer_start", "title", "sentences", "ko", "en"]
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(NAMES | TEXT, inner, max_size=3),
    ),
    max_leaves=5,
)
ROW = st.dictionaries(st.sampled_from(COLUMNS) | TEXT, VALUE, max_size=5)
USER, ASSISTANT = {"role": "user", "content": "안녕?"}, {"role": "assistant", "content": "네."}

# Rows that pass, in several shapes of each task; the fuzzer damages one of their fields.
GOOD: dict[str, list[dict[str, Any]]] = {
    "raft": [
        {"question": "수도는?", "context": ["서울은 수도.", "부산은 항구."], "answer": "서울"},
        {"question": "수도는?", "context": "서울은 수도.", "answer": "서울", "cot": "글.", "id": 3},
        {
            "question": "q?",
            "context": {"title": [["t", "t"]], "sentences": [["a b", "c d"]]},
            "oracle_context": "a b",
            "cot_answer": "##begin_quote##a##end_quote## <ANSWER>: b",
            "instruction": "<DOCUMENT>a b</DOCUMENT>\nq?",
            "type": "general",
        },
        {"question": "q?", "context": ["a"], "cot_answer": "<<<domain>>> x", "type": "api call"},
    ],
    "koalpaca": [
        {"instruction": "수도는?", "output": "서울", "url": None},
        {"instruction": "요약", "input": "긴 글", "output": "글"},
        {"질문": "수도는?", "답변": "서울", "context": "한국"},
    ],
    "qa": [
        {"question": "?", "context": "서울", "answers": {"text": ["서울"], "answer_start": [0]}},
        {"question": "?", "context": "서울", "answer": [{"text": "서울", "answer_start": 0}]},
        {"question": "?", "context": "서울", "answers": ["서울", "서울시"], "title": "제목"},
        {"question": "?", "context": "서울", "answers": None, "is_impossible": True},
    ],
    "summarization": [{"document": "긴 글", "summary": "글"}, {"본문": "긴 글", "요약": "글"}],
    "translation": [
        {"source": "안녕", "target": "hi", "source_language": "ko", "target_language": "en"},
        {"translation": {"ko": "안녕", "en": "hi"}},
        {"ko": "안녕", "en": "hi", "id": "7"},
    ],
    "classification": [
        {"text": "글", "label": 1},
        {"sentence1": "글", "sentence2": "말", "gold_label": "True"},
    ],
    "dialogue": [
        {"messages": [USER, ASSISTANT]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"messages": [USER, ASSISTANT, USER, ASSISTANT], "system": "글"},
    ],
    "preference": [
        {"prompt": "?", "chosen": "서울", "rejected": "부산"},
        {"chosen": [USER, ASSISTANT], "rejected": [USER, {**ASSISTANT, "content": "몰라"}]},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": "몰라"},
    ],
}
OPTIONS: dict[str, Any] = {
    "label_names": {"0": "부정", "1": "긍정", "True": "참"},
    "languages": ("ko", "en"),
    "no_answer": "모릅니다.",
}


@st.composite
def damaged(draw: st.DrawFn, task: str) -> dict[str, Any]:
    """A row that passes, with one value, somewhere in it, replaced, taken out or put in."""

    def damage(value: Any) -> Any:
        if not isinstance(value, list | dict) or not value or draw(st.integers(0, 2)) == 0:
            return draw(ODD if draw(st.booleans()) else VALUE)
        take_out = draw(st.integers(0, 3)) == 0
        if isinstance(value, list):
            at = draw(st.integers(0, len(value) - 1))
            return value[:at] + ([] if take_out else [damage(value[at])]) + value[at + 1 :]
        name = draw(st.sampled_from(list(value)))
        if take_out:
            return {other: part for other, part in value.items() if other != name}
        return {**value, name: damage(value[name])}

    row = draw(st.sampled_from(GOOD[task]))
    if draw(st.integers(0, 9)) == 0:
        without = draw(st.sampled_from(list(row)))
        return {name: value for name, value in row.items() if name != without}
    column = draw(st.sampled_from([*row, *SCHEMAS[task].reads, "id"]))
    return {**row, column: damage(row.get(column))}


def assert_accounted_for(rows: list[Any], task: str | None, path: Path, **options: Any) -> None:
    with Ledger(path) as ledger:
        records = list(check_records(rows, task, ledger=ledger, **options))
        ledger.count_out(len(records))
    ledger.check_balance()
    assert ledger.rows_in == len(rows)
    with path.open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    numbers = sorted([record.number for record in records] + [line["row_number"] for line in lines])
    assert numbers == list(range(len(rows)))  # every row once, here or there
    for record in records:
        values = record.values
        name = values["task"]
        texts = list(texts_of([values.get(column) for column in TASKS[name].columns]))
        assert texts
        assert all(text == text.strip() and not is_missing(text) for text in texts)
        json.dumps(values, allow_nan=False)  # texts, whole numbers, lists and dicts of them
        json.dumps(values, ensure_ascii=False).encode("utf-8")
        (again,) = check_records([values], None, ledger=Ledger(strict=True), **options)
        assert list(again.values.items()) == list(values.items())
        for as_messages in (False, True):
            formatted = format_record(values, as_messages=as_messages)
            assert list(formatted) == ["prompt", "completion"]
            assert as_messages or formatted["completion"].startswith(" ")
        assert formatted["prompt"][-1]["role"] == "user"
        assert [message["role"] for message in formatted["completion"]] == ["assistant"]
        assert formatted == FORMATTERS[name](values, as_messages=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "rejected.jsonl"


@pytest.mark.parametrize("task", SCHEMAS)
def test_the_undamaged_rows_pass(task: str, path: Path) -> None:
    assert_accounted_for(GOOD[task], task, path, **OPTIONS)
    records = list(check_records(GOOD[task], task, ledger=Ledger(strict=True), **OPTIONS))
    assert len(records) == len(GOOD[task])


@pytest.mark.parametrize("task", SCHEMAS)
def test_damaged_rows(task: str, path: Path) -> None:
    @fuzz
    @given(row=damaged(task), with_options=st.booleans())
    def each(row: dict[str, Any], with_options: bool) -> None:
        before = repr(row)
        for read in (SCHEMAS[task].from_raw, FORMATTERS[task]):
            try:
                read(row, 3)
            except RowError as error:
                assert str(error)
                assert error.row_number == 3
        assert_accounted_for([row], task, path, **(OPTIONS if with_options else {}))
        assert repr(row) == before

    each()


@fuzz
@given(rows=st.lists(ROW, max_size=3), task=st.sampled_from([None, *SCHEMAS]))
def test_random_rows(path: Path, rows: list[dict[str, Any]], task: str | None) -> None:
    assert_accounted_for(rows, task, path)


@fuzz
@given(value=VALUE.filter(lambda value: not isinstance(value, dict)))
def test_what_is_no_row(value: Any) -> None:
    for schema in SCHEMAS.values():
        with pytest.raises(RowError, match="row 0, field 'row' is of type"):
            schema.from_raw(value, 0)
