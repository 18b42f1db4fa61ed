import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.rejected import RejectedRow
from bitsft.data.report import build_report, write_report
from tests.data.report.rows import asked, classified, formatted, small
from tests.pages.hostile import HOSTILE


def without_plotly(html: str) -> str:
    """The page without the longest script, which is plotly's."""
    return html.replace(max(re.findall(r"<script>(.*?)</script>", html, re.DOTALL), key=len), "")


def sections(html: str) -> list[str]:
    return re.findall(r'<section id="(\w+)">', html)


def everything() -> dict[str, Any]:
    ledger = Ledger()
    ledger.count_in(33)
    ledger.count_out(33)
    return {
        "title": "시험",
        "ledger_counts": ledger.as_dict(),
        "changes_examples": [{"kind": "NFC", "row": "0", "field": "text", "before": "a", "after": "b"}],
        "duplicates": {"exact": 1, "near": 0},
        "quality": {"scores": {"groundedness": [0.5]}, "languages": {"rows": {"hangul": 33}}},
        "leaks": {"shared": []},
        "budgets": {"train": {"max_length": 64}},
    }  # fmt: skip


def test_only_what_is_known_has_a_section() -> None:
    assert sections(build_report({"train": [formatted("가", "나")]}, title="t")) == [
        "overview",
        "lengths",
        "samples",
    ]
    html = build_report(small(), **everything())
    assert " ".join(sections(html)) == (
        "overview balance lengths budget samples rejected changes duplicates quality leaks"
    )
    assert re.findall(r'<li><a href="#(\w+)">', html) == sections(html)


def test_no_rows_at_all() -> None:
    html = build_report({"train": [], "test": []}, title="비어 있음")
    assert sections(html) == ["overview"]
    assert "<dd>0</dd>" in html


def test_korean_words() -> None:
    html = without_plotly(build_report(small(), **everything(), language="ko"))
    assert '<html lang="ko">' in html
    for text in ("들어온 행", "거부된 행이 없습니다.", "누출 없음", "프롬프트 (글자)", "응답"):
        assert text in html
    assert "Rows in" not in html


def test_hostile_texts_are_escaped_wherever_they_stand() -> None:
    rows = {
        "train": [classified(HOSTILE, HOSTILE), asked(HOSTILE, HOSTILE), formatted(HOSTILE, HOSTILE)],
        HOSTILE: [classified(HOSTILE, "긍정")],
    }  # fmt: skip
    change = {"kind": HOSTILE, "row": HOSTILE, "field": HOSTILE, "before": HOSTILE, "after": "b"}
    html = build_report(
        rows,
        title=HOSTILE,
        formatter=lambda row: {"prompt": HOSTILE, "completion": HOSTILE},
        rejected=[RejectedRow(0, HOSTILE, [HOSTILE], HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
        changes_examples=[change],
        duplicates={"exact": 1, "signature": HOSTILE, "examples": [{"text": HOSTILE}]},
        quality={
            "scores": {HOSTILE: {"values": [0.5], "signature": HOSTILE}},
            "languages": {HOSTILE: 1},
            "worst": [{"lowest": 0.1, "question": HOSTILE, "missing": [HOSTILE]}],
        },
        leaks={"shared": [{"kind": HOSTILE, "split": HOSTILE, "other": HOSTILE, "rows": 1, "of": 1}]},
        budgets={HOSTILE: {"max_length": 3, HOSTILE: HOSTILE}},
    )  # fmt: skip
    html.encode("utf-8")
    page = without_plotly(html)
    assert not set("\x00\u2028\ud83d\u202e\ufeff") & set(page)
    assert page.count("⟨U+D83D⟩") > 20
    assert "<img" not in page
    assert "<b>굵게" not in page
    assert "{ 7 * 7 }" in page  # not taken for a template
    tags = re.findall(r"<script[^>]*>", page)
    assert tags.count("<script>") == 2
    assert all(re.fullmatch(r'<script( type="application/json" id="[\w-]+")?>', t) for t in tags)
    assert page.count("</script>") == len(tags)


def test_very_long_texts_are_cut() -> None:
    long = "가나다라마" * 100_000
    rows = {"train": [formatted(long, long), classified(long, long)]}
    html = build_report(rows, title="t", rejected=[RejectedRow(0, "a", long, "b")])
    assert len(without_plotly(html)) < 100_000
    assert "글자 생략" in build_report(rows, title="t", language="ko")
    assert "마…</td>" in html


def test_nothing_is_loaded() -> None:
    page = without_plotly(build_report(small(), **everything()))
    assert not re.search(r'(?:src|href|action)\s*=\s*"?\s*(?:https?:)?//', page)
    assert not re.search(r"@import|url\(", page)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src &#39;none&#39;" in policy or "default-src 'none'" in policy
    assert "http" not in policy


def test_plotly_is_there_once() -> None:
    html = build_report(small(), title="t")
    assert len(re.findall(r"plotly\.js v\d", html)) == 1


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_same_input_gives_the_same_bytes(language: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from bitsft.data.report import build_report, write_report\n"
        "from tests.data.report.rows import small\n"
        "from tests.data.report.test_build import everything\n"
        f"html = build_report(small(), **everything(), language={language!r})\n"
        "write_report(html, sys.argv[1])\n"
    )
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / name)],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[3],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_seed_draws_other_samples() -> None:
    pages = {build_report(small(), title="t", seed=seed, samples=1) for seed in range(4)}
    assert len(pages) > 1


def test_a_page_does_not_grow_with_the_rows() -> None:
    rows = [asked(f"{n} 더하기 {n}은?", f"{2 * n}") for n in range(300)]
    few = len(build_report({"train": rows}, title="t", samples=0))
    many = len(build_report({"train": rows * 40}, title="t", samples=0))
    assert many - few < 2000


def test_the_callers_rows_stay_as_they_are() -> None:
    rows = small()
    build_report(rows, **everything())
    assert rows == small()


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="language='fr' is not known"):
        build_report({}, title="t", language="fr")
    with pytest.raises(ValueError, match="samples=-1 must be at least 0"):
        build_report({}, title="t", samples=-1)
    with pytest.raises(ValueError, match="token_rows=-1 must be at least 0"):
        build_report({}, title="t", token_rows=-1)
    with pytest.raises(ValueError, match="ledger_counts is 3; give a mapping"):
        build_report({}, title="t", ledger_counts=3)  # type: ignore[arg-type]


def test_without_plotly_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ImportError, match=r"bitsft\[report\]"):
        build_report(small(), title="t")


def test_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "새 폴더" / "report.html"
    write_report("<!doctype html>\n가", path)
    assert path.read_bytes() == "<!doctype html>\n가".encode()
    with pytest.raises(UnicodeEncodeError):
        write_report("\ud83d", path)
    assert path.read_text(encoding="utf-8") == "<!doctype html>\n가"
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
