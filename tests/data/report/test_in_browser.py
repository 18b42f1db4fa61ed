"""The page as Chromium shows it. A content security policy that a page breaks is a console message too."""

import re

import pytest

from bitsft.data.ledger import Ledger
from bitsft.data.rejected import RejectedRow
from bitsft.data.report import build_report
from tests.browser import Browser
from tests.data.report.rows import classified, small
from tests.data.report.test_build import everything
from tests.pages.hostile import HOSTILE, SCRIPT


def drawn(dom: str) -> list[str]:
    """The texts within the SVG of all charts."""
    found = re.findall(r"<text\b[^>]*>(.*?)</text>", dom, re.DOTALL)
    return [re.sub(r"<[^>]*>", "", text) for text in found]


def test_every_chart_is_drawn(browser: Browser) -> None:
    ledger = Ledger()
    ledger.count_in(34)
    rejected = RejectedRow(0, "답", "", "비어 있음", stage="check", source="원본.csv")
    counts = ledger.as_dict() | {
        "rows_out": 33,
        "rejections": [{"stage": "check", "field": "답", "reason": "비어 있음", "rows": 1}],
    }
    options = everything() | {"ledger_counts": counts, "rejected": [rejected]}
    html = build_report(small(), **options, language="ko")
    opened = browser.open(html)
    assert opened.console == ()
    charts = re.findall(r'<div class="chart[^"]*" id="([\w-]+)"', opened.dom)
    assert len(charts) == len(re.findall(r'type="application/json"', html)) >= 9
    for part in re.split(r'<div class="chart', opened.dom)[1:]:
        assert 'class="main-svg"' in part
        assert re.search(r'<path d="M[^"]+"[^>]*style="[^"]*fill: rgb', part)  # a bar
    texts = drawn(opened.dom)
    for label in ("긍정", "부정", "들어온 행", "거부: check", "check · 답 · 비어 있음", "train"):
        assert label in texts, label


def test_nothing_in_a_row_runs(browser: Browser) -> None:
    rows = {"train": [classified(HOSTILE, HOSTILE)] * 3}
    opened = browser.open(build_report(rows, title="제목", rejected=[RejectedRow(0, None, HOSTILE, HOSTILE)]))  # fmt: skip
    assert opened.console == ()
    assert "<title>제목</title>" in opened.dom
    assert "<img" not in opened.dom
    labels = [text for text in drawn(opened.dom) if "script" in text]
    # The label is cut, and shown to the letter.
    assert labels
    assert all("&lt;/script&gt;&lt;script&gt;" in label for label in labels)


@pytest.mark.parametrize("slip", [SCRIPT[9:], '<img src="https://example.org/a.png">'])
def test_the_policy_stops_what_would_slip_through(browser: Browser, slip: str) -> None:
    html = build_report({"train": [classified("글", "긍정")]}, title="제목")
    opened = browser.open(html.replace("<main>", f"<main>{slip}"))
    assert "<title>제목</title>" in opened.dom
    assert any("Content Security Policy" in line for line in opened.console)


def test_labels_fit_a_narrow_window(browser: Browser) -> None:
    reason = "가나다라마바사아자차카타파하 " * 4
    rejected = [RejectedRow(0, None, None, reason.strip())]
    html = build_report({"train": [classified("글", "긍정")]}, title="t", rejected=rejected)
    wide, narrow = (browser.open(html, f"--window-size={width},900") for width in (1200, 500))
    assert wide.console == narrow.console == ()
    (long,) = (text for text in drawn(wide.dom) if "가나다라" in text)
    (short,) = (text for text in drawn(narrow.dom) if "가나다라" in text)
    assert short.endswith("…")
    assert len(short) < len(long)
