"""The page as Chromium shows it, and what its form does. A broken content security policy is a console message."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page, expect, sync_playwright

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report import build_comparison_report
from tests.browser import find_browser
from tests.comparison.report.test_build import hostile
from tests.pages.hostile import SCRIPT

WINDOW: Any = {"width": 1200, "height": 900}
PATIENCE = 120_000  # milliseconds: drawing a dozen charts on a busy machine


class Opened:
    """A page and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, html: str, path: Path) -> Page:
        path.write_text(html, encoding="utf-8", newline="\n")
        self.page.goto(path.as_uri())
        return self.page


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_browser(tmp_path_factory.mktemp("browser")).program
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=program, args=["--no-sandbox"], timeout=PATIENCE
        )
        yield chromium
        chromium.close()


@pytest.fixture
def opened(chromium: Chromium) -> Iterator[Opened]:
    page = chromium.new_page(viewport=WINDOW)
    yield Opened(page)
    page.close()


@pytest.fixture(scope="module")
def once(
    chromium: Chromium, comparison: Comparison, tmp_path_factory: pytest.TempPathFactory
) -> Opened:
    """The report of thirty rows, opened once."""
    opened = Opened(chromium.new_page(viewport=WINDOW))
    opened.open(build_comparison_report(comparison), tmp_path_factory.mktemp("page") / "page.html")
    return opened


@pytest.fixture
def page(once: Opened) -> Iterator[Page]:
    """The same page, with the form and the folds as they were at first."""
    yield once.page
    assert once.complaints == []
    once.page.set_viewport_size(WINDOW)
    once.page.locator("button[type=reset]").click()
    expect_all_shown(once.page)
    once.page.locator("button[name=close]").click()


def expect_all_shown(page: Page) -> None:
    """Wait until all thirty rows can be seen; the page's policy allows no function of ours to poll in it."""
    expect(page.locator("article.answer:visible")).to_have_count(30, timeout=PATIENCE)


def shown(page: Page) -> list[int]:
    """Numbers of the rows that can be seen, in their order."""
    return page.locator("article.answer:visible").evaluate_all(
        "cards => cards.map((card) => Number(card.dataset.row))"
    )


def gains(page: Page) -> list[float]:
    """Their gains."""
    return page.locator("article.answer:visible").evaluate_all(
        "cards => cards.map((card) => Number(card.dataset.gain))"
    )


def folds_open(card: Locator) -> list[bool]:
    """Of each folded part whether it is open."""
    return card.locator("details").evaluate_all("folds => folds.map((fold) => fold.open)")


def test_every_chart_is_drawn(page: Page) -> None:
    charts = page.locator(".chart").evaluate_all(
        """charts => charts.map((chart) => [chart.id, chart.querySelectorAll(".main-svg").length,
             chart.querySelectorAll(".points path, .scatterlayer path").length])"""
    )
    assert len(charts) == page.locator('script[type="application/json"]').count() >= 10
    for name, drawings, marks in charts:
        assert drawings > 0 and marks > 0, name
    text = page.locator("#scores").inner_text()
    for label in ("ROUGE-L", "Accuracy", "한국어-기본"):
        assert label in text
    shades = "cells => new Set(cells.map((cell) => getComputedStyle(cell).backgroundColor)).size"
    assert page.locator("#confusion .matrix tbody td").evaluate_all(shades) > 2


def test_nothing_that_a_model_said_runs(opened: Opened, tmp_path: Path) -> None:
    page = opened.open(build_comparison_report(hostile(), title="제목"), tmp_path / "page.html")
    page.locator("button[name=open]").click()
    page.locator("input[name=words]").fill("하나")
    assert shown(page) == [0, 1]
    page.locator("select[name=task]").select_option(index=2)
    assert shown(page) == [1]
    assert opened.complaints == []
    assert page.title() == "제목"
    assert page.locator("img").count() == 0
    # The words of a model are there to the letter.
    assert SCRIPT in page.locator("#row-1 .said").last.inner_text()


def test_the_policy_stops_what_would_slip_through(opened: Opened, comparison: Comparison, tmp_path: Path) -> None:  # fmt: skip
    html = build_comparison_report(comparison, title="제목")
    page = opened.open(html.replace("<main>", f"<main>{SCRIPT[9:]}"), tmp_path / "page.html")
    assert page.title() == "제목"
    assert any("Content Security Policy" in line for line in opened.complaints)


def test_rows_are_chosen_by_task_change_and_size(page: Page, comparison: Comparison) -> None:
    assert shown(page) == list(range(30))
    assert page.locator("output[name=count]").inner_text() == "30 of 30"
    page.locator("select[name=task]").select_option(label="raft")
    assert shown(page) == list(range(1, 30, 3))
    page.locator("select[name=change]").select_option("better")
    better = shown(page)
    assert better and all(gain > 0 for gain in gains(page))
    assert len(better) == comparison.changes["raft"].better
    assert page.locator("output[name=count]").inner_text() == f"{len(better)} of 30"
    page.locator("select[name=task]").select_option("")
    page.locator("input[name=least]").fill("0.5")
    assert gains(page) and all(gain >= 0.5 for gain in gains(page))
    page.locator("select[name=change]").select_option("regression")
    page.locator("input[name=least]").fill("")
    # by the metric of a row's own part: ROUGE-L of "all" for the task that has none of its own
    regressed = {
        one.row
        for key, part in comparison.changes.items()
        for one in part.regressions
        if key != "all" or comparison.rows[one.place].base.task not in comparison.changes
    }
    assert shown(page) == sorted(regressed)
    page.locator("button[type=reset]").click()
    expect_all_shown(page)


def test_rows_are_found_by_their_words(page: Page, comparison: Comparison) -> None:
    words = page.locator("input[name=words]")
    words.fill("RAFT-4")  # an id, whatever the case
    assert shown(page) == [4]
    # Two words of one answer, on both sides of what it lacks.
    said = comparison.rows[4].tuned.prediction.split()
    words.fill(f"{said[-1]} {said[-2]}")
    assert 4 in shown(page)
    words.fill("없는 말입니다요")
    assert shown(page) == []
    assert page.locator("#none-found").is_visible()


def test_rows_are_ordered_by_gain(page: Page) -> None:
    page.locator("select[name=order]").select_option("gain")
    assert gains(page) == sorted(gains(page), reverse=True)
    page.locator("select[name=order]").select_option("loss")
    assert gains(page) == sorted(gains(page))
    page.locator("select[name=order]").select_option("row")
    assert shown(page) == list(range(30))


def test_reference_and_context_are_folded(page: Page) -> None:
    card = page.locator("#row-1")
    assert folds_open(card) == [False] * 4
    card.locator("summary").first.focus()
    page.keyboard.press("Enter")  # the keyboard is enough
    assert folds_open(card) == [True, False, False, False]
    assert card.locator("details .text").first.is_visible()
    page.locator("button[name=open]").click()
    assert folds_open(card) == [True] * 4
    page.locator("button[name=close]").click()
    assert folds_open(card) == [False] * 4


def test_a_link_shows_a_row_that_was_hidden(page: Page) -> None:
    page.locator("input[name=words]").fill("없는 말입니다요")
    link = page.locator(".ranking a").first
    row = link.inner_text()
    link.click()
    page.wait_for_selector(f"#row-{row}", state="visible")
    assert page.locator(f"#row-{row}").evaluate("card => card.matches(':target')")


def test_a_narrow_window_is_not_wider_than_itself(page: Page) -> None:
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    base, tuned = (page.locator(f"#row-1 .{side}").bounding_box() for side in ("base", "tuned"))
    assert base and tuned and tuned["y"] > base["y"]  # one below the other


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_texts_can_be_read_in_light_and_dark(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    for selector in ("ins", "del", ".question", ".caption", ".gain.better", ".matrix tbody td", ".legend"):  # fmt: skip
        assert contrast(page.locator(selector).first) >= 4.5, (selector, scheme)


def contrast(element: Locator) -> float:
    """Contrast of text and what is behind it, by WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    colours = element.evaluate(
        """element => {
             const pen = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
             const behind = [];
             for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
             const drawn = (...layers) => {
               pen.clearRect(0, 0, 1, 1);
               for (const layer of layers) { pen.fillStyle = layer; pen.fillRect(0, 0, 1, 1); }
               return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
             };
             return [drawn(...behind), drawn(...behind, getComputedStyle(element).color)];
           }"""
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[int]) -> float:
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_without_script_all_rows_are_there(comparison: Comparison) -> None:
    html = build_comparison_report(comparison)
    (form,) = re.findall(r'<form class="filter"[^>]*>', html)
    assert "hidden" in form
    assert not re.search(r'<article class="answer"[^>]* hidden', html)
