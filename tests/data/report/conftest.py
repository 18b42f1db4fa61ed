from pathlib import Path

import pytest

from tests.data.report.browser import Browser, find_browser


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return find_browser(tmp_path)
