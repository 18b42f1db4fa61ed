from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.fields import RowError
from bitsft.data.format.koalpaca import format_koalpaca

V11 = {
    "instruction": "딥러닝이 뭐야?",
    "output": "기계학습의 한 분야입니다.",
    "url": "https://kin.example/1",
}
V10 = {"instruction": "다음을 요약하세요.", "input": "긴 글입니다.", "output": "(짧은) 글."}


def test_v11() -> None:
    assert format_koalpaca(V11) == {
        "prompt": "### 질문: 딥러닝이 뭐야?\n\n### 답변:",
        "completion": " 기계학습의 한 분야입니다.",
    }


def test_v11_with_context() -> None:
    expected = "### 질문: 다음을 요약하세요.\n\n### 맥락: 긴 글입니다.\n\n### 답변:"
    assert format_koalpaca(V10)["prompt"] == expected
    renamed = {"instruction": V10["instruction"], "context": V10["input"], "output": "글."}
    assert format_koalpaca(renamed)["prompt"] == expected


def test_v10_with_input() -> None:
    assert format_koalpaca(V10, template="v1.0") == {
        "prompt": (
            "Below is an instruction that describes a task, paired with an input that provides"
            " further context.\n"
            "아래는 작업을 설명하는 명령어와 추가적 맥락을 제공하는 입력이 짝을 이루는 예제입니다.\n\n"
            "Write a response that appropriately completes the request.\n"
            "요청을 적절히 완료하는 응답을 작성하세요.\n\n"
            "### Instruction(명령어):\n다음을 요약하세요.\n\n### Input(입력):\n긴 글입니다.\n\n"
            "### Response(응답):"
        ),
        "completion": " (짧은) 글.",
    }


def test_v10_without_input() -> None:
    assert format_koalpaca(V10 | {"input": ""}, template="v1.0")["prompt"] == (
        "Below is an instruction that describes a task.\n"
        "아래는 작업을 설명하는 명령어입니다.\n\n"
        "Write a response that appropriately completes the request.\n"
        "명령어에 따른 요청을 적절히 완료하는 응답을 작성하세요.\n\n"
        "### Instruction(명령어):\n다음을 요약하세요.\n\n### Response(응답):"
    )


def test_english_headings() -> None:
    assert format_koalpaca(V10, language="en")["prompt"] == (
        "### Question: 다음을 요약하세요.\n\n### Context: 긴 글입니다.\n\n### Answer:"
    )
    assert format_koalpaca(V11, language="en")["prompt"] == (
        "### Question: 딥러닝이 뭐야?\n\n### Answer:"
    )
    both = [format_koalpaca(V10, template="v1.0", language=each) for each in ("ko", "en")]
    assert both[0] == both[1]


def test_messages() -> None:
    assert format_koalpaca(V10, as_messages=True, system="존댓말로 답하세요.") == {
        "prompt": [
            {"role": "system", "content": "존댓말로 답하세요."},
            {"role": "user", "content": "다음을 요약하세요.\n\n긴 글입니다."},
        ],
        "completion": [{"role": "assistant", "content": "(짧은) 글."}],
    }
    assert format_koalpaca(V11, as_messages=True)["prompt"] == [
        {"role": "user", "content": "딥러닝이 뭐야?"}
    ]


@pytest.mark.parametrize("missing", [None, "", "  ", float("nan")])
def test_no_input(missing: Any) -> None:
    row = {"instruction": "딥러닝이 뭐야?", "output": "기계학습의 한 분야입니다."}
    assert format_koalpaca(row | {"input": missing}) == format_koalpaca(row)


@settings(max_examples=40, derandomize=True)
@given(outputs=st.tuples(st.text("가나 {}\n", min_size=1), st.text("가나 {}\n", min_size=1)))
def test_the_prompt_does_not_depend_on_the_output(outputs: tuple[str, str]) -> None:
    outputs = tuple(output + "." for output in outputs)
    for options in ({}, {"template": "v1.0"}, {"as_messages": True}):
        prompts = [format_koalpaca(V10 | {"output": o}, **options)["prompt"] for o in outputs]
        assert prompts[0] == prompts[1]


def test_braces_in_the_data_are_kept() -> None:
    row = {"instruction": "{input}", "input": "{instruction}", "output": "{}"}
    assert format_koalpaca(row) == {
        "prompt": "### 질문: {input}\n\n### 맥락: {instruction}\n\n### 답변:",
        "completion": " {}",
    }


def test_with_datasets_map() -> None:
    dataset = Dataset.from_list([V10, V11])  # the columns of one are filled with None in the other
    mapped = dataset.map(format_koalpaca, with_indices=True, remove_columns=dataset.column_names)
    assert mapped.column_names == ["prompt", "completion"]
    assert mapped[:] == {
        "prompt": [format_koalpaca(V10)["prompt"], format_koalpaca(V11)["prompt"]],
        "completion": [" (짧은) 글.", " 기계학습의 한 분야입니다."],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "v2"}, r"template='v2' is not known; use one of \['v1.0', 'v1.1'\]"),
        ({"language": "fr"}, r"language='fr' is not known; use one of \['en', 'ko'\]"),
        ({"system": "답하세요."}, "system needs as_messages=True"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        format_koalpaca(V11, **options)


def test_a_wrong_row_is_named() -> None:
    with pytest.raises(RowError, match=r"row 3, field 'output' is of type int, not text \(got 1\)"):
        format_koalpaca({"instruction": "감성은?", "output": 1}, 3)
