"""A page as headless Chromium shows it: the document after its scripts ran, and what they complained of."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Opened:
    """What became of a page: `dom` is the document as HTML, `console` its messages, line by line."""

    dom: str
    console: tuple[str, ...]


@dataclass(frozen=True)
class Browser:
    """Headless Chromium with a profile of its own."""

    program: str
    folder: Path

    def open(self, html: str, *options: str) -> Opened:
        page = self.folder / "page.html"
        page.write_text(html, encoding="utf-8", newline="\n")
        done = subprocess.run(
            [
                self.program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                f"--user-data-dir={self.folder / 'profile'}",
                "--virtual-time-budget=10000",
                "--enable-logging=stderr",
                "--window-size=1200,2000",
                *options,
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=True,
        )
        return Opened(
            done.stdout, tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line)
        )


def find_browser(folder: Path) -> Browser:
    """Return a browser; without one the test fails where BITSFT_TEST_BROWSER is "required", and is skipped elsewhere."""
    for name in NAMES:
        if program := shutil.which(name):
            return Browser(program, folder)
    message = f"none of {', '.join(NAMES)} is installed: the page has not been looked at"
    if os.environ.get("BITSFT_TEST_BROWSER") == "required":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """For a `conftest.py` to import."""
    return find_browser(tmp_path)
