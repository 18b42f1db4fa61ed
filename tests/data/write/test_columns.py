import pyarrow as pa
import pytest

from bitsft.data.records import Record
from bitsft.data.write.columns import Columns


def schema(*rows: dict) -> dict[str, pa.DataType]:
    columns = Columns()
    for number, row in enumerate(rows):
        columns.observe(Record(row, "a.csv", number))
    found = columns.schema()
    return dict(zip(found.names, found.types, strict=True))


TEXT, TEXTS = pa.string(), pa.list_(pa.string())


def test_a_task_has_one_schema_whatever_its_rows_fill() -> None:
    full = {
        "raft_only": 1,
        "cot": "이유",
        "task": "raft",
        "context": ["가"],
        "question": "나?",
        "answer": "다",
    }
    bare = {"task": "raft", "question": "나?", "context": [], "answer": "다"}
    expected = {
        "task": TEXT,
        "question": TEXT,
        "context": TEXTS,
        "answer": TEXT,
        "cot": TEXT,
        "instruction": TEXT,
        "oracle_context": TEXT,
    }
    assert schema(bare) == expected
    assert schema(full) == {**expected, "raft_only": pa.int64()}
    assert list(schema(full)) == [*expected, "raft_only"]


def test_messages_and_several_tasks_in_one_file() -> None:
    found = schema(
        {"task": "dialogue", "id": 3, "messages": [{"role": "user", "content": "안녕"}]},
        {"task": "classification", "id": 4, "text": "좋다", "label": 1},
    )
    assert found == {
        "task": TEXT,
        "id": pa.int64(),
        "text": TEXT,
        "text_pair": TEXT,
        "label": pa.int64(),
        "messages": pa.list_(pa.struct([("role", TEXT), ("content", TEXT)])),
    }
    assert list(found)[:2] == ["task", "id"]


def test_types_widen_where_nothing_is_lost() -> None:
    assert schema({"a": 1}, {"a": 1.5}, {"a": None}) == {"a": pa.float64()}
    assert schema({"a": 1}, {"a": 2**60}) == {"a": pa.int64()}
    assert schema({"a": None}, {"a": float("nan")}) == {"a": TEXT}
    assert schema({"a": []}, {"a": [[]]}, {"a": [["가"]]}) == {"a": pa.list_(TEXTS)}
    assert schema({"a": {"x": 1}}, {"a": {"y": "가"}}) == {
        "a": pa.struct([("x", pa.int64()), ("y", TEXT)])
    }
    assert schema({"a": {}}) == {"a": TEXT}


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("긍정", 1, "holds an integer where others hold a text"),
        (1, True, "holds a boolean where others hold an integer"),
        (["가"], "가", "holds a text where others hold a list"),
        ({"x": 1}, ["가"], "holds a list where others hold an object"),
        ({"x": 1}, {"x": "가"}, "holds a text where others hold an integer"),
        (0.5, 2**53 + 1, r"holds an integer beyond 2\^53 where others hold a number"),
    ],
)
def test_two_types_in_a_column_are_an_error(one: object, other: object, what: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^a.csv, row 2, column 'label': {what} \(first in a.csv, row 1\), in .*write .jsonl",
    ):
        schema({"label": None}, {"label": one}, {"label": other})


def test_two_types_within_one_list() -> None:
    with pytest.raises(ValueError, match=r"row 0, column 'a': .* \(first in this row\), in \['가'"):
        schema({"a": ["가", 1]})


def test_integers_beyond_64_bits() -> None:
    with pytest.raises(ValueError, match=r"row 0, column 'a': .* integer beyond 64 bits"):
        schema({"a": [2**63]})
