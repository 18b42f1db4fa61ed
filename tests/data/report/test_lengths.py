import json
from typing import Any

from transformers import PreTrainedTokenizerFast

from bitsft.data.report.lengths import count_tokens, lengths_section
from bitsft.data.report.survey import survey_rows
from bitsft.data.report.tokens import Tokens
from bitsft.data.report.words import words
from bitsft.pages.blocks import Figures, Note, Section, Table
from tests.data.report.rows import formatted

TEXT = words("en")
ALL = {"samples": 3, "token_rows": 100, "seed": 0}


def of_kind(section: Section | None, kind: type) -> list[Any]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)]


def test_lengths_in_characters() -> None:
    rows = {"train": [formatted("가" * n, "나" * 2) for n in (1, 2, 3, 10)]}
    section = lengths_section(survey_rows(rows, None, **ALL), None, {}, TEXT)
    (figures,) = of_kind(section, Figures)
    headings = [figure.heading for figure in figures.figures]
    assert headings == ["Prompt (characters)", "Completion (characters)"]
    (table,) = of_kind(section, Table)
    assert table.rows == (
        ("prompt/completion", "characters", "Prompt", 4, 4.0, 2, 10, 10, 10),
        ("prompt/completion", "characters", "Completion", 4, 2.0, 2, 2, 2, 2),
    )


def test_lengths_in_tokens(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    rows = {"train": [formatted("zq" * n, "xz") for n in (1, 2, 3, 4)]}
    tasks = survey_rows(rows, None, samples=0, token_rows=3, seed=0)
    counts = count_tokens(tasks, rows, None, Tokens(tiny_tokenizer))
    (counted,) = counts.values()
    assert len(counted.whole) == 3
    assert all(b - a == 3 for a, b in zip(counted.prompt, counted.whole, strict=True))
    section = lengths_section(tasks, counts, {"max_length 8": 8}, TEXT)
    _, tokens = of_kind(section, Figures)
    marked = [len(json.loads(f.chart.json)["layout"].get("shapes", [])) for f in tokens.figures]
    assert marked == [0, 0, 1]  # the limit holds for whole rows
    (note,) = of_kind(section, Note)
    assert note.text == "Tokens: counted in 3 of 4 rows, drawn at random."


def test_messages_without_a_chat_template(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    row = {
        "prompt": [{"role": "user", "content": "안녕"}],
        "completion": [{"role": "assistant", "content": "반가워요"}],
    }
    rows = {"train": [row]}
    tiny_tokenizer.chat_template = None
    tokens = Tokens(tiny_tokenizer)
    tasks = survey_rows(rows, None, **ALL)
    counts = count_tokens(tasks, rows, None, tokens)
    (note,) = of_kind(lengths_section(tasks, counts, {}, TEXT), Note)
    assert "no chat template" in note.text
