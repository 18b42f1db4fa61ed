"""Two people rate in a real browser by keyboard alone, while the server is killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Error, Page, Route, sync_playwright

from bitsft.blind.pairs import pair_answers, shown_order
from bitsft.blind.rating import Rating
from bitsft.blind.ratings import last_ratings, read_ratings
from tests.blind.evaluations import BASE, TUNED, scores
from tests.blind.page.server import hostile
from tests.browser import find_browser

ROOT = Path(__file__).parents[3]
KEYS = {"left": "ArrowLeft", "right": "ArrowRight", "tie": "t", "both_bad": "b"}
PAIRS = pair_answers(*hostile())


class Server:
    """The page in a process of its own, always on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.blind.page.server", self.folder, self.port]
        self.process = subprocess.Popen(
            [str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8"
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Rate at"):
                assert self.address in line
                return
        pytest.fail("the server ended before it served")

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ratings(self, *raters: str) -> list[Rating]:
        found = read_ratings(self.folder / "ratings.jsonl")
        return [rating for rating in found if rating.rater in raters]


@dataclass
class Watched:
    """A page, and everything that it loaded, said and complained of."""

    page: Page
    bodies: list[str] = field(default_factory=list)
    replies: list[dict[str, object]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.route("**/*", self._answer)
        self.page.on("console", lambda message: self._console(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if urlsplit(url).hostname != "127.0.0.1":
            self.elsewhere.append(url)
            route.abort()
        elif any(part in url for part in ("/assets/", "/static/", "heartbeat", "queue")):
            route.continue_()  # files of Gradio's, and streams, which do not end
        else:
            try:
                response = route.fetch()
            except Error:  # the server was killed
                route.abort()
                return
            if response.headers.get("content-type", "").startswith(("text", "application")):
                self.bodies.append(f"{response.headers}\n{response.text()}")
            if "component_server" in url:
                self.replies.append(response.json())
            route.fulfill(response=response)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def enter_as(self, name: str) -> None:
        self.page.wait_for_selector('.blind[data-view="welcome"] input:focus')
        self.page.keyboard.type(name)
        self.press("Enter")
        self.page.wait_for_selector('.blind[data-view="rating"]')

    def at(self, done: int) -> None:
        self.page.wait_for_function(
            "(done) => document.querySelector('.progress')?.getAttribute('aria-valuenow') === done",
            arg=str(done),
        )

    def texts(self) -> list[str | None]:
        return [
            self.page.locator(place).first.text_content()
            for place in (
                ".prompt",
                "article[data-side=left] .text",
                "article[data-side=right] .text",
            )
        ]

    def message(self) -> str:
        return self.page.wait_for_selector(".message.wrong:not(:empty)").text_content() or ""

    def rate(self, choice: str, six: str) -> None:
        self.press(*six, KEYS[choice], "Enter")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_browser(tmp_path_factory.mktemp("browser")).program
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "blind")
    yield started
    if started.process.poll() is None:
        started.kill()


def opened(chromium: Chromium, server: Server) -> Watched:
    watched = Watched(chromium.new_page(locale="en-US"))
    watched.page.goto(server.address)
    return watched


def test_two_raters_and_a_crash(chromium: Chromium, server: Server) -> None:
    kim, lee = opened(chromium, server), opened(chromium, server)
    names = ("kim", "이영희")
    kim.enter_as(names[0])
    lee.enter_as(names[1])
    kims, lees = (shown_order(PAIRS, name) for name in names)
    for rater, order in ((kim, kims), (lee, lees)):
        left, right = order[0].left or "(empty answer)", order[0].right or "(empty answer)"
        assert rater.texts() == [order[0].pair.prompt, left, right]

    kim.rate("left", "543212")
    kim.at(1)
    kim.rate("both_bad", "111222")
    kim.at(2)
    lee.rate("tie", "333444")
    lee.at(1)
    assert not kim.complaints and not lee.complaints

    kim.press(*"555111", KEYS["right"])
    server.kill()
    kim.press("Enter")
    assert "is not saved yet" in kim.message()
    assert [(one.rater, one.choice) for one in server.ratings(*names)] == [
        ("kim", "left"),
        ("kim", "both_bad"),
        ("이영희", "tie"),
    ]
    server.start()
    kim.complaints.clear()  # what the browser says of a server that is gone
    lee.complaints.clear()
    kim.press("Enter")
    kim.at(3)
    lee.page.reload()
    lee.at(1)
    assert lee.texts()[0] == lees[1].pair.prompt

    for choice, six in (("right", "123451"), ("left", "543215"), ("tie", "222222")):
        done = len(server.ratings("이영희"))
        lee.rate(choice, six)
        lee.at(done + 1)
    kim.press("Backspace")  # the second thoughts of kim
    kim.page.wait_for_function(
        "() => document.querySelector('.choices [aria-checked=true]')?.dataset.value === 'right'"
    )
    kim.rate("tie", "444444")
    kim.page.wait_for_function("() => !document.querySelector('[aria-checked=true]')")
    kim.rate("right", "121212")
    for rater in (kim, lee):
        rater.at(4)
        rater.page.wait_for_selector('.blind[data-view="finished"]:has(.finished:focus)')
        assert not rater.complaints and not rater.elsewhere

    found = last_ratings(server.ratings(*names))
    assert {key: (one.choice, one.base_on_left) for key, one in found.items()} == {
        (name, one.pair.row): (choice, one.base_on_left)
        for name, order, choices in (
            ("kim", kims, ("left", "both_bad", "tie", "right")),
            ("이영희", lees, ("tie", "right", "left", "tie")),
        )
        for one, choice in zip(order, choices, strict=True)
    }
    first = found["kim", kims[0].pair.row]
    assert (first.left, first.right) == (scores(5, 4, 3), scores(2, 1, 2))
    nothing_gives_a_model_away(kim, lee)


def nothing_gives_a_model_away(*pages: Watched) -> None:
    for watched in pages:
        assert len(watched.bodies) > 5 and len(watched.replies) >= 5
        for body in watched.bodies:
            assert BASE not in body and TUNED not in body and "alpha-plain" not in body
        for reply in watched.replies:
            assert set(reply) <= {"rater", "done", "total", "item"}
            item = reply["item"]
            if item is not None:
                names = "position prompt context reference left right given"
                assert isinstance(item, dict) and set(item) == set(names.split())
                assert "tuned" not in json.dumps(item) and "base" not in json.dumps(item)


def test_answers_are_texts_and_nothing_else(chromium: Chromium, server: Server) -> None:
    kim = opened(chromium, server)
    kim.enter_as("<b>kim</b>")
    seen = set()
    for done, one in enumerate(shown_order(PAIRS, "<b>kim</b>")):
        kim.at(done)
        kim.press("r")
        assert kim.page.locator("details.reference .text").is_visible()
        texts = kim.page.locator(".blind .text")
        assert texts.locator("*").count() == 0
        seen |= {one.left, one.right}
        assert kim.texts()[1:] == [text or "(empty answer)" for text in (one.left, one.right)]
        shown = kim.page.locator("article .text").evaluate_all("all => all.map(e => e.innerText)")
        assert shown == [text or "(empty answer)" for text in (one.left, one.right)]
        kim.rate("tie", "333333")
    kim.at(4)
    assert len(seen) == 8
    assert kim.page.evaluate("window.hacked") is None
    assert kim.page.locator(".who").text_content() == "<b>kim</b>"
    assert kim.page.locator("iframe, .blind img, .katex").count() == 0
    assert not kim.complaints and not kim.elsewhere


def test_what_is_missing_is_said_and_focused(chromium: Chromium, server: Server) -> None:
    kim = opened(chromium, server)
    kim.page.wait_for_selector('.blind[data-view="welcome"] input:focus')
    kim.press("Enter")  # no name
    assert "must have 1 to 60" in kim.message()
    kim.enter_as("박")
    kim.press(*"54", "ArrowDown", "3", "Enter")
    said = kim.message()
    assert said.startswith("Still missing: Left answer · Fluency, Right answer · Accuracy")
    assert said.endswith("Which answer is better?")
    focused = "document.activeElement.closest('.row').innerText.split('\\n')[0]"
    assert kim.page.evaluate(focused) == "Fluency"
    kim.press(*"1")
    assert kim.page.evaluate(focused) == "Relevance"  # of the right answer, which has its 3
    chosen = "e => e.map(b => b.dataset.value)"
    checked = kim.page.locator(".scores [aria-checked=true]")
    assert checked.evaluate_all(chosen) == ["5", "4", "1", "3"]
    kim.press("ArrowDown", *"21", "ArrowLeft", "Enter")
    kim.at(1)
    assert kim.page.locator(".legend").is_visible()
    (rating,) = server.ratings("박")
    assert (rating.left, rating.right) == (scores(5, 4, 1), scores(3, 2, 1))
    kim.page.get_by_role("button", name="한국어").click()
    assert kim.page.locator("h1").text_content() == "어느 답변이 더 좋은가요?"
    assert kim.page.locator(".count").text_content() == "4개 중 1개 평가함"
    assert not kim.complaints
