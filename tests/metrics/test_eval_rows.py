"""Raw evaluation rows: the three shapes that are read, and what is said about the others."""

from typing import Any

import pytest
from datasets import Dataset

from bitsft.metrics.eval_rows import EvalRow, read_eval_rows

USER = {"role": "user", "content": "수도는?"}
SYSTEM = {"role": "system", "content": "짧게."}
ASSISTANT = {"role": "assistant", "content": "서울"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "수도는? ", "completion": "서울"}, EvalRow("수도는? ", "서울")),
        ({"prompt": "수도는? ", "completion": "서울</s>"}, EvalRow("수도는? ", "서울")),
        ({"prompt": [SYSTEM, USER], "completion": [ASSISTANT]}, EvalRow([SYSTEM, USER], "서울")),
        ({"messages": [USER, ASSISTANT]}, EvalRow([USER], "서울")),
        (
            {"messages": [USER, ASSISTANT, USER, ASSISTANT], "id": 7},
            EvalRow([USER, ASSISTANT, USER], "서울"),
        ),
        (
            {
                "messages": [USER, ASSISTANT],
                "tools": '[{"name": "f"}]',
                "chat_template_kwargs": {"enable_thinking": False},
            },
            EvalRow([USER], "서울", [{"name": "f"}], {"enable_thinking": False}),
        ),
        (
            {"messages": [USER, ASSISTANT], "tools": [{"name": "f"}], "chat_template_kwargs": None},
            EvalRow([USER], "서울", [{"name": "f"}]),
        ),
    ],
)
def test_shapes(row: dict[str, Any], expected: EvalRow) -> None:
    assert read_eval_rows([row], eos_token="</s>") == [expected]


def test_takes_the_first_rows_of_map_style_and_streamed_datasets() -> None:
    dataset = Dataset.from_dict({"prompt": ["a", "b", "c"], "completion": ["1", "2", "3"]})
    for rows in (dataset, dataset.to_iterable_dataset()):
        assert [row.prompt for row in read_eval_rows(rows, num_rows=2)] == ["a", "b"]
        assert len(read_eval_rows(rows)) == 3
    assert len(read_eval_rows(dataset, num_rows=99)) == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"input_ids": [1], "labels": [1]},
            r"columns \['input_ids', 'labels'\].*already tokenized",
        ),
        ({"text": "가"}, r"columns \['text'\], from which no prompt"),
        ({"prompt": "가"}, r"columns \['prompt'\]"),
        ({"conversations": [{"from": "user"}]}, r"columns \['conversations'\]"),
        (
            {"prompt": "가", "completion": [ASSISTANT]},
            "'prompt' is str and 'completion' is messages",
        ),
        ({"prompt": None, "completion": "나"}, "'prompt' is NoneType and 'completion' is str"),
        ({"prompt": [USER], "completion": [ASSISTANT, USER, ASSISTANT]}, "has 3 messages"),
        ({"prompt": [USER], "completion": [USER]}, "role 'user'"),
        ({"messages": [USER]}, "holds one turn only"),
        ({"messages": [USER, USER]}, "it must be an assistant turn"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "content 'None'"),
        ({"messages": []}, r"columns \['messages'\]"),
    ],
)
def test_other_rows_are_errors_with_number_and_remedy(row: dict[str, Any], message: str) -> None:
    good = {"prompt": "가", "completion": "나"}
    with pytest.raises(ValueError, match=f"(?s)evaluation row 1.*{message}"):
        read_eval_rows([good, row])


def test_no_rows_and_dicts_of_datasets_are_errors() -> None:
    with pytest.raises(ValueError, match="no rows to generate from"):
        read_eval_rows([])
    with pytest.raises(ValueError, match=r"a dict with the keys \['easy'\]"):
        read_eval_rows({"easy": []})
