import json
from typing import Any

from bitsft.data.report.balance import balance_section
from bitsft.data.report.survey import survey_rows
from bitsft.data.report.words import words
from bitsft.pages.blocks import Figures, Section
from tests.data.report.rows import asked, classified, small

TEXT = words("en")
ALL = {"samples": 3, "token_rows": 100, "seed": 0}


def of_kind(section: Section | None, kind: type) -> list[Any]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, kind)]


def test_balance_of_tasks_and_labels() -> None:
    section = balance_section(survey_rows(small(), None, **ALL), {"hangul": 30, "latin": 3}, TEXT)
    tasks, others = of_kind(section, Figures)
    traces = json.loads(tasks.figures[0].chart.json)["data"]
    assert [(t["name"], t["x"]) for t in traces] == [
        ("classification", [0.7, 0.5, 1.0]),
        ("koalpaca", [0.3, 0.5, 0.0]),
    ]
    headings = [figure.heading for figure in others.figures]
    assert headings == ["Labels: classification", "Languages"]
    labels = json.loads(others.figures[0].chart.json)
    assert [trace["name"] for trace in labels["data"]] == ["train", "validation", "test"]
    assert [round(x, 2) for x in labels["data"][0]["x"]] == [0.67, 0.33]
    texts = [note["text"] for note in labels["layout"]["annotations"]]
    assert texts == ["긍정", "15 (65.2%)", "부정", "8 (34.8%)"]


def test_many_labels_are_put_together() -> None:
    rows = {"train": [classified("글", f"레이블 {n}") for n in range(25)]}
    (figures,) = of_kind(balance_section(survey_rows(rows, None, **ALL), {}, TEXT), Figures)
    texts = [n["text"] for n in json.loads(figures.figures[0].chart.json)["layout"]["annotations"]]
    assert len(texts) == 42
    assert texts[-2:] == ["5 others", "5 (20.0%)"]


def test_nothing_to_balance() -> None:
    rows = {"train": [asked("가?", "나"), asked("다?", "라")]}
    assert balance_section(survey_rows(rows, None, **ALL), {}, TEXT) is None
