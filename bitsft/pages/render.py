"""`render_page`: sections as one self-contained HTML page.

The page holds everything: plotly.js (once, 4.8 MB of the page), its style and the data of its charts.
It asks no server for anything, and a content security policy in its head makes sure of that: the
scripts of the page are named by their SHA-256, so nothing that stands in a text could run as one, and no
address may be loaded. Charts follow the reader's light or dark setting.

The same sections give the same bytes.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from bitsft._extras import require
from bitsft.pages.blocks import Figures, Section
from bitsft.pages.charts import plotly_js
from bitsft.pages.numbers import number
from bitsft.pages.visible import visible


def render_page(
    sections: Sequence[Section],
    *,
    title: str,
    language: str,
    text: Mapping[str, str],
    template: str = '{% extends "page.html" %}',
    styles: str = "",
    script: str = "",
) -> str:
    """Render the page.

    Args:
        sections: What stands on it, in this order.
        title: Its heading.
        language: Of its own words, a language tag.
        text: Its own words by their keys (`words_of`).
        template: A Jinja template that extends `page.html` and draws, in its block `other`, the kinds of
            block that `page.html` does not know. Every value is escaped.
        styles: CSS after that of `page.css`; no text of a row may go into it.
        script: JavaScript after that of `page.js`; neither may one go into this.

    Returns:
        The page, ready to be written as UTF-8.

    Raises:
        ImportError: Without plotly or jinja2 (the extra `report`).
    """
    jinja2 = require("jinja2", "report")
    markup = require("markupsafe", "report").Markup
    folder = files("bitsft.pages")

    def shown(value: Any) -> Any:
        # Runs on every value before it is escaped; what is Markup is the page's own.
        return visible(value) if type(value) is str else value

    environment = jinja2.Environment(
        autoescape=True,
        finalize=shown,
        loader=jinja2.DictLoader({"page.html": folder.joinpath("page.html").read_text("utf-8")}),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    # Exactly these texts are named in the policy; browsers hash them with "\n" for a line's end.
    scripts = [plotly_js().replace("\r\n", "\n"), folder.joinpath("page.js").read_text("utf-8")]
    if script:
        scripts.append(script)
    return environment.from_string(template).render(
        charts=[
            figure.chart
            for section in sections
            for block in section.blocks
            if isinstance(block, Figures)
            for figure in block.figures
        ],
        css=markup(folder.joinpath("page.css").read_text("utf-8") + styles),
        language=language,
        markup=markup,
        policy=" ".join(_hash(script) for script in scripts),
        scripts=[markup(script) for script in scripts],
        sections=sections,
        text=text,
        title=title,
    )


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
