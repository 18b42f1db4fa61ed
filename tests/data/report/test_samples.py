from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from bitsft.data.report.samples import Samples, samples_section
from bitsft.data.report.survey import survey_rows
from bitsft.data.report.tokens import Tokens
from bitsft.data.report.words import words
from bitsft.pages.blocks import Section
from tests.data.report.rows import formatted, small

TEXT = words("en")
ALL = {"samples": 3, "token_rows": 100, "seed": 0}


def of_kind(section: Section | None, kind: type) -> list[Any]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)]


def test_messages_without_a_chat_template(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    row = {
        "prompt": [{"role": "user", "content": "안녕"}],
        "completion": [{"role": "assistant", "content": "반가워요"}],
    }
    tiny_tokenizer.chat_template = None
    rows = {"train": [row]}
    tasks = survey_rows(rows, None, **ALL)
    tokens = Tokens(tiny_tokenizer)
    (group,) = of_kind(samples_section(tasks, rows, None, tokens, TEXT), Samples)
    assert [(p.role, p.text, p.learned) for p in group.samples[0].pieces] == [
        ("user", "안녕", False),
        ("assistant", "반가워요", True),
    ]


def test_samples_with_tokens(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    rows = {"train": [formatted("zq", "x")]}
    tasks = survey_rows(rows, None, **ALL)
    (group,) = of_kind(samples_section(tasks, rows, None, Tokens(tiny_tokenizer), TEXT), Samples)
    (sample,) = group.samples
    assert sample.heading == "train, row 0"
    assert sample.caption == "2 tokens without loss, 2 learned"
    assert [piece.text for piece in sample.pieces] == ["z", "q", "x", "</s>"]


@pytest.mark.parametrize("with_tokens", [False, True])
def test_long_rows_are_cut_in_their_middle(
    with_tokens: bool, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    prompt = "앞" + "z" * 5000 + "질문 끝:"
    rows = {"train": [formatted(prompt, "x" * 2000)]}
    tasks = survey_rows(rows, None, **ALL)
    tokens = Tokens(tiny_tokenizer) if with_tokens else None
    (group,) = of_kind(samples_section(tasks, rows, None, tokens, TEXT), Samples)
    pieces = group.samples[0].pieces
    masked = [piece for piece in pieces if not piece.learned]
    shown = "".join(piece.text for piece in masked if not piece.is_note)
    assert len(shown) in (1599, 1600)
    assert shown.startswith("앞zz")
    assert shown.endswith("질문 끝:")
    remarks = [piece.text for piece in pieces if piece.is_note]
    assert remarks[0] == "… 3,406 characters left out …"
    assert len(remarks) == 2


def test_no_samples() -> None:
    rows = small()
    tasks = survey_rows(rows, None, samples=0, token_rows=0, seed=0)
    assert samples_section(tasks, rows, None, None, TEXT) is None
