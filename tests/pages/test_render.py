import base64
import hashlib
import re
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from bitsft.pages.blocks import Cards, Figure, Figures, Marked, Note, Section, Table
from bitsft.pages.histogram import Bins, histogram
from bitsft.pages.render import render_page
from bitsft.pages.words import words_of
from tests.pages.hostile import HOSTILE

TEXT = words_of("en", {"made_by": ("A page", "페이지")})
OWN = '{% extends "page.html" %}{% block other %}<p class="own">{{ block.text }}</p>{% endblock %}'


@dataclass(frozen=True)
class Own:
    text: str
    kind: ClassVar[str] = "own"


def page(*blocks, **options) -> str:  # type: ignore[no-untyped-def]
    section = Section("one", "One", list(blocks))
    return render_page([section], title="t", language="en", text=TEXT, **options)


def without_plotly(html: str) -> str:
    return html.replace(max(re.findall(r"<script>(.*?)</script>", html, re.DOTALL), key=len), "")


def test_every_block_is_drawn() -> None:
    chart = histogram("c", "how many", Bins((0.0, 0.5, 1.0), (1, 2)))
    html = without_plotly(
        page(
            Note("말", "bad"),
            Cards((("rows", "3", "good"),)),
            Figures((Figure("heading", chart, "caption"),)),
            Table("table", ("a", "b"), (("x", 1234), (Marked("h", "m", "t"), 0.5)), folded=True),
        )
    )
    assert '<p class="note bad">말</p>' in html
    assert '<div class="card good"><dt>rows</dt><dd>3</dd></div>' in html
    assert 'id="c" role="img" aria-label="how many" style="height:168px"' in html
    assert '<script type="application/json" id="c-data">' in html
    assert "<details><summary>table</summary>" in html
    assert '<td class="number">1,234</td>' in html
    assert "h<mark>m</mark>t" in html


def test_a_report_draws_blocks_of_its_own() -> None:
    html = without_plotly(page(Own(HOSTILE), template=OWN, styles="/* mine */"))
    assert '<p class="own">&lt;/script&gt;&lt;script&gt;' in html
    assert "⟨U+202E⟩" in html
    assert "<img" not in html
    assert "/* mine */\n</style>" in html


def test_the_policy_names_every_script_and_no_address() -> None:
    html = page(Note("a"), script="document.title = 'mine';")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy


@pytest.mark.parametrize("module", ["jinja2", "plotly.offline"])
def test_without_its_packages_the_smallest_extra_is_named(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"bitsft\[report\]"):
        page(Note("a"))
