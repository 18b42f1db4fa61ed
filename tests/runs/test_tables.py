"""Columns stand under each other, in Korean too, and fit the terminal; sheets and CSV hold strange texts."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from bitsft.pages.columns import columns_of
from bitsft.runs import wording
from bitsft.runs.overview import main_scores, runs_csv, runs_table
from bitsft.runs.sheet import as_markdown, as_text
from bitsft.runs.text_table import cut_to_width, text_table

from .conftest import MakeRun


def test_width_of_texts() -> None:
    assert cut_to_width("한글이다", 8) == "한글이다"
    assert cut_to_width("한글이다", 7) == "한글이…"
    assert cut_to_width("한글이다", 6) == "한글…"


def test_korean_columns_are_aligned() -> None:
    table = text_table(
        ("name", "n"), [("한국어", "1"), ("abc", "22"), ("\u1112\u1161\u11ab", "3")], right={1}
    )
    assert table.splitlines() == ["name     n", "한국어   1", "abc     22", "한       3"]


def test_it_fits_and_keeps_numbers() -> None:
    rows = [("아주 긴 이름이 여기에 있다", "a" * 60, "123456789")]
    table = text_table(("name", "what", "n"), rows, right={2}, width=50)
    assert max(columns_of(line) for line in table.splitlines()) <= 50
    assert table.endswith("123456789") and "…" in table


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4), st.integers(20, 60))
def test_any_text_stays_on_its_line(rows: list[tuple[str, str]], width: int) -> None:
    lines = text_table(("a", "b"), rows, width=width).split("\n")
    assert len(lines) == len(rows) + 1
    assert all(columns_of(line) <= width for line in lines)


def test_the_list(make_run: MakeRun) -> None:
    scores = {"all": {"rouge1": {"value": 0.5, "before": 0.125}, "loss": {"value": 2.0}}}
    runs = [(1, make_run("첫 실험", scores=scores)), (2, make_run("b", number=2, status="running"))]
    table = runs_table(runs)
    header, first, second = table.splitlines()
    assert first.startswith("#001  첫 실험") and first.endswith("rouge1 0.125 → 0.5, loss 2")
    assert "1,234 chat" in first and "2:05 min" in first and "1.5 GB" in first
    assert "train, not finished" in second
    assert header.split()[-1] == "scores" and "lr" in header
    chosen = runs_table(runs, ["rouge1"]).splitlines()
    assert chosen[0].endswith("rouge1") and chosen[1].endswith("0.125 → 0.5")
    assert main_scores(make_run(result={"last_loss": 3.25})) == "training loss 3.25"


def test_csv_is_read_back_and_holds_no_formula(make_run: MakeRun) -> None:
    scores = {"qa": {"f1": {"value": 0.5, "before": 0.125}}}
    runs = [
        (1, make_run(name='=HYPERLINK("x")', scores=scores)),
        (2, make_run("b", name='a,"b"\nc')),
    ]
    first, second = csv.DictReader(io.StringIO(runs_csv(runs)))
    assert first["name"] == '\'=HYPERLINK("x")' and second["name"] == 'a,"b"\nc'
    assert (first["qa.f1 before"], first["qa.f1"], second["qa.f1"]) == ("0.125", "0.5", "")
    assert first["learning_rate"] == "0.002" and first["seconds"] == "125.0"


def test_the_sheet(make_run: MakeRun) -> None:
    scores = {"all": {"rouge1": {"value": 0.5, "before": 0.125, "signature": "tok:ko|v:1"}}}
    run = make_run(
        name="a | b",
        goal="더 *빨리*",
        scores=scores,
        notes=["# 좋다", "<b>"],
        parents=[{"role": "base model", "id": "x1", "name": "앞"}],
        code={"commit": "abcdef0123456789", "changed": True},
    )
    page = as_markdown(run, 7)
    assert page.startswith("# Experiment #007: a \\| b\n")
    assert "| goal | 더 \\*빨리\\* |" in page and "| from base model | 앞 (x1) |" in page
    assert "| learning_rate | 0.002 |" in page and "output_dir" not in page
    assert "| rouge1 | 0.125 | 0.5 | tok:ko\\|v:1 |" in page
    assert "- \\# 좋다\n- \\<b\\>" in page
    assert "abcdef012345, with changes that are not committed" in page
    text = as_text(run, None)
    assert text.startswith(f"Experiment {run.id}: a | b\n")
    assert "  learning_rate  0.002" in text and "\nObservations\n  # 좋다\n" in text
    assert "all   rouge1   0.125    0.5        tok:ko|v:1" in text


def test_counts_of_parameters_are_words_on_the_sheet(make_run: MakeRun) -> None:
    trained = {"ternary layers": {"parameters": 26_624, "trainable": 13_312}}
    lines = as_text(make_run(settings={"trainable": trained})).splitlines()
    line = next(line for line in lines if "trainable.ternary layers" in line)
    assert line.endswith("parameters 26624, trainable 13312")


def test_sessions_and_failures_are_on_the_sheet(make_run: MakeRun) -> None:
    sessions = [
        {"started": "t1", "status": "interrupted", "error": "KeyboardInterrupt"},
        {"started": "t2", "status": "failed", "error": "ValueError: NaN"},
    ]
    text = as_text(make_run(status="failed", sessions=sessions))
    assert "session of t1  interrupted: KeyboardInterrupt" in text
    assert "session of t2  failed: ValueError: NaN" in text


def test_words(make_run: MakeRun) -> None:
    assert [wording.duration(s) for s in (0.5, 42, 185.4, 7385)] == [
        "0.5 s",
        "42 s",
        "3:05 min",
        "2:03:05 h",
    ]
    assert wording.duration(None) == wording.duration("x") == ""
    assert [wording.plain_number(n) for n in (0.00031234, 12345.6, 1234567, "nan", None, True)] == [
        *("0.0003123", "12,346", "1,234,567", "nan", "", "True"),
    ]
    new = make_run(base_model={"class": "LlamaForCausalLM", "parameters": 2_340_000})
    assert wording.base_model(new) == "new LlamaForCausalLM, 2.34 M"
    assert wording.peaks(make_run(memory={"peak_gpu_bytes": 3e9, "peak_bytes": 1e9})) == "3.0 GB"


def test_a_file_that_was_evaluated_is_named_once(make_run: MakeRun) -> None:
    entries = [{"role": "eval", "name": "rows.jsonl", "rows": 26}]
    entries += [{"role": "file", "name": name} for name in ("rows.jsonl", "held.txt")]
    assert wording.data(make_run(data=entries)) == "26 rows.jsonl, held.txt"
