import pytest

from bitsft.comparison.comparison import Comparison
from tests.browser import browser as browser
from tests.comparison.report.made_up import compared, made_up


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Thirty rows of three tasks."""
    return compared(*made_up(30))
