"""A model folder, rows of several tasks, and answers written by hand."""

from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

KOALPACA = [
    {"task": "koalpaca", "instruction": f"{place}은 어디에 있나요?", "output": "제주도에 있습니다."}
    for place in ("한라산", "성산일출봉", "서귀포", "우도", "마라도")
]
LABELLED = [
    {"task": "classification", "text": text, "label": label}
    for text, label in (("재미있다", "긍정"), ("지루하다", "부정"), ("최고다", "긍정"))
]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return [dict(row) for row in (*KOALPACA, *LABELLED)]


@pytest.fixture
def model_folder(
    tmp_path: Path, tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> Path:
    folder = tmp_path / "model"
    tiny_llama.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder
