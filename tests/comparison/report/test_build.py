import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bitsft.comparison.comparison import Comparison, compare
from bitsft.comparison.report import build_comparison_report
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from tests.comparison.evaluations import answer, evaluation, scored, simple
from tests.comparison.report.made_up import compared, made_up
from tests.pages.hostile import HOSTILE

ROOT = Path(__file__).parents[3]


def without_plotly(html: str) -> str:
    """The page without the longest script, which is plotly's."""
    return html.replace(max(re.findall(r"<script>(.*?)</script>", html, re.DOTALL), key=len), "")


def sections(html: str) -> list[str]:
    return re.findall(r'<section id="(\w+)">', html)


def hostile() -> Comparison:
    """Every text of both evaluations tries to get out of its place."""
    label = HOSTILE.replace("\ud83d", "").replace("\x00", "")  # no label has these

    def rows(prediction: str) -> list[Answer]:
        raft = {"question": HOSTILE, "context": [HOSTILE, "가"], "oracle_context": HOSTILE}
        chat = [{"role": HOSTILE, "content": HOSTILE}]
        classified = {"text": HOSTILE, "label": label}
        likely = {label: -1.0, "부정": -2.0}
        said = {"prediction": prediction, "id": HOSTILE}
        return [
            answer(0, prompt=HOSTILE, task="raft", reference=HOSTILE, source=raft, **said),
            answer(1, prompt=chat, task=HOSTILE, reference=HOSTILE, **said),
            answer(2, label, id=HOSTILE, prompt=chat, task="classification", reference=label,
                   source=classified, likelihoods=likely),
        ]  # fmt: skip

    def side(model: str, prediction: str, values: list[float]) -> Evaluation:
        whole = evaluation(
            rows(prediction),
            scored("rougeL", values, HOSTILE),
            scored(HOSTILE, values),
            scored("only " + model, values),
            model=model,
            decoding=HOSTILE + model[-1],
            **{HOSTILE: [scored("rougeL", values[1:2])]},
        )
        return replace(whole, data={HOSTILE: HOSTILE}, settings={HOSTILE: [HOSTILE]})

    base = side(HOSTILE + "a", HOSTILE + " 하나 " + HOSTILE, [0.25, 0.5, 1.0])
    return compare(base, side(HOSTILE + "b", HOSTILE, [1.0, 0.75, 0.0]), resamples=10, trials=10)


def test_every_section(comparison: Comparison) -> None:
    html = build_comparison_report(comparison)
    assert " ".join(sections(html)) == "overview scores spread confusion slices changes answers"
    assert re.findall(r'<li><a href="#(\w+)">', html) == sections(html)
    page = without_plotly(html)
    assert page.count('<article class="answer"') == 30
    assert "All 30 rows." in page
    assert "<h1>한국어-기본 and 한국어-튜닝 compared</h1>" in page
    # What stands in the table is what the comparison says.
    line = next(one for one in comparison.table["classification"] if one.metric == "accuracy")
    assert f"{line.base:.3f} → {line.tuned:.3f}" in page
    assert "<ins>" in page and "<del>" in page


def test_only_what_is_known_has_a_section() -> None:
    comparison = compare(simple([0.5]), simple([0.5], model="t"), resamples=10)
    html = build_comparison_report(comparison)
    assert sections(html) == ["overview", "scores", "spread", "changes", "answers"]
    assert comparison.notes and all(note in html for note in comparison.notes)
    assert sections(build_comparison_report(comparison, rows=0)) == ["overview", "scores", "spread", "changes"]  # fmt: skip


def test_korean_words(comparison: Comparison) -> None:
    page = without_plotly(build_comparison_report(comparison, language="ko", title="제목"))
    assert '<html lang="ko">' in page
    assert "<title>제목</title>" in page
    for text in ("전체 30개 행입니다.", "혼동 행렬", "가장 많이 향상된 행", "정답과의 차이:"):
        assert text in page
    assert "Largest gains" not in page


def test_hostile_texts_are_escaped_wherever_they_stand() -> None:
    html = build_comparison_report(hostile())
    html.encode("utf-8")
    page = without_plotly(html)
    assert sections(html) == ["overview", "scores", "spread", "confusion", "slices", "changes", "answers"]  # fmt: skip
    assert not set("\x00\u2028\ud83d\u202e\ufeff") & set(page)
    assert page.count("⟨U+D83D⟩") > 40
    assert "<img" not in page
    assert "<b>굵게" not in page
    assert "{ 7 * 7 }" in page  # not taken for a template
    tags = re.findall(r"<script[^>]*>", page)
    assert tags.count("<script>") == 3
    assert all(re.fullmatch(r'<script( type="application/json" id="[\w-]+")?>', t) for t in tags)
    assert page.count("</script>") == len(tags)


def test_nothing_is_loaded(comparison: Comparison) -> None:
    page = without_plotly(build_comparison_report(comparison))
    assert not re.search(r'(?:src|href|action)\s*=\s*"?\s*(?:https?:)?//', page)
    assert not re.search(r"@import|url\(", page)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


def test_models_of_the_same_name_are_told_apart() -> None:
    page = without_plotly(
        build_comparison_report(compare(simple([0.5]), simple([1.0]), resamples=10))
    )
    assert "<b>Base: m</b>" in page and "<b>Tuned: m</b>" in page


def test_many_rows_and_long_texts_stay_below_eight_megabytes() -> None:
    long = "가나다라 <마바사> " * 400
    answers = [answer(row, long[row:], reference=long, prompt=long) for row in range(1000)]
    base = evaluation(answers, scored("rougeL", [0.5] * 1000))
    comparison = compare(base, base, resamples=10, trials=10)
    assert len(without_plotly(build_comparison_report(comparison, rows=200)).encode()) < 8_000_000
    assert len(without_plotly(build_comparison_report(comparison, rows=1000)).encode()) < 8_000_000


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from bitsft.comparison.report import build_comparison_report, write_report\n"
        "from tests.comparison.report.made_up import compared, made_up\n"
        "comparison = compared(*made_up(30))\n"
        "for language in ('en', 'ko'):\n"
        "    html = build_comparison_report(comparison, language=language, rows=25)\n"
        "    write_report(html, sys.argv[1] + language)\n"
    )
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / name)],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )
    for language in ("en", "ko"):
        first, second = (tmp_path / (name + language) for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_the_seed_draws_other_rows() -> None:
    comparison = compared(*made_up(120))
    pages = [build_comparison_report(comparison, rows=70, seed=seed) for seed in (0, 1, 0)]
    assert pages[0] == pages[2] != pages[1]
    assert "70 of 120 rows" in pages[0]


def test_what_cannot_be(comparison: Comparison) -> None:
    with pytest.raises(ValueError, match="language='fr' is not known"):
        build_comparison_report(comparison, language="fr")
    with pytest.raises(ValueError, match="rows=-1 must be at least 0"):
        build_comparison_report(comparison, rows=-1)


def test_without_plotly_the_extra_is_named(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ImportError, match=r"bitsft\[report\]"):
        build_comparison_report(comparison)
