"""`build_report`: a prepared data set as one HTML page to look at.

The page holds everything: plotly.js (once, 4.8 MB of the page), its style and the data of its charts.
It asks no server for anything, and a content security policy in its head makes sure of that: the two
scripts of the page are named by their SHA-256, so nothing that stands in a row could run as one, and no
address may be loaded. Charts follow the reader's light or dark setting.

The same rows and settings give the same bytes: ids are fixed, and there is no date.

Limits: the page shows examples of rows, of values before cleaning too. Where those hold personal
data, so does the page.
"""

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bitsft._extras import require
from bitsft.data.common.atomic import atomic_path
from bitsft.data.rejected import RejectedRow
from bitsft.data.report.accounts import changes_section, overview_section, rejected_section
from bitsft.data.report.balance import balance_section
from bitsft.data.report.blocks import Figures, Section
from bitsft.data.report.charts import plotly_js
from bitsft.data.report.findings import (
    duplicates_section,
    leaks_section,
    quality_section,
)
from bitsft.data.report.inputs import check_mapping, check_mappings, mapping_of
from bitsft.data.report.lengths import count_tokens, lengths_section
from bitsft.data.report.pairs import Formatter, Row
from bitsft.data.report.samples import samples_section
from bitsft.data.report.survey import survey_rows
from bitsft.data.report.token_budget import limits_of, token_budget_section
from bitsft.data.report.tokens import Tokens
from bitsft.data.report.visible import visible
from bitsft.data.report.words import number, words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def build_report(
    rows_by_split: Mapping[str, Sequence[Row]],
    *,
    title: str,
    ledger_counts: Mapping[str, Any] | None = None,
    rejected: Iterable[RejectedRow] = (),
    changes_examples: Sequence[Mapping[str, Any]] = (),
    duplicates: Mapping[str, Any] | None = None,
    quality: Mapping[str, Any] | None = None,
    leaks: Mapping[str, Any] | None = None,
    budgets: Mapping[str, Mapping[str, Any]] | None = None,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    formatter: Formatter | None = None,
    samples: int = 3,
    token_rows: int = 20_000,
    seed: int = 0,
    language: str = "en",
) -> str:
    """Build the page. A section of which nothing is known is left out.

    Args:
        rows_by_split: The rows of each split, the training set first: checked rows with their `task`,
            or formatted ones (`prompt`, `completion`). They are gone through once.
        title: The page's heading.
        ledger_counts: `Ledger.as_dict()`.
        rejected: The rejected rows; three examples of each reason are shown.
        changes_examples: What cleaning changed, as `changes_examples(ledger)` returns it: mappings with
            `stage`, `kind`, `row`, `field`, `before` and `after`.
        duplicates: `DuplicateReport.as_dict()`, and optionally `examples` (rows of the review file of
            `drop_near_duplicates`), `conflict_examples` (its conflicts as dicts) and `signature`.
        quality: `QualityReport.as_dict()`, and optionally `worst` (`QualityReport.worst_rows()`). A
            score may also be a list of its values, or `{"values": [...]}`.
        leaks: `LeakReport.as_dict()`.
        budgets: `TokenBudget.as_dict()` by a name, e.g. of the split.
        tokenizer: The tokenizer to train with; tokens are counted and shown with it.
        formatter: Takes a row and returns `{"prompt", "completion"}`; None takes `format_record`.
            Formatted rows need none.
        samples: Rows to show of each task, of its first split.
        token_rows: The most rows of each task to tokenize; of more, so many are drawn.
        seed: Of what is drawn.
        language: Of the page's own words: `"en"` or `"ko"`.

    Returns:
        The page, ready to be written as UTF-8.

    Raises:
        ValueError: For a row or a mapping that is not as described, an unknown `language`, or
            negative `samples` or `token_rows`.
        ImportError: Without plotly or jinja2 (the extra `data`).
    """
    text = words(language)
    for name, value in (("samples", samples), ("token_rows", token_rows)):
        if value < 0:
            raise ValueError(f"{name}={value} must be at least 0")
    if ledger_counts is not None:
        check_mapping(ledger_counts, "ledger_counts")
    check_mappings(changes_examples, "changes_examples")

    tasks = survey_rows(rows_by_split, formatter, samples=samples, token_rows=token_rows, seed=seed)
    tokens = None if tokenizer is None else Tokens(tokenizer)
    counts = None if tokens is None else count_tokens(tasks, rows_by_split, formatter, tokens)
    languages = {} if quality is None else mapping_of(quality, "languages", "quality")
    if "rows" in languages:  # LanguageReport: "letters" beside it are shares
        languages = mapping_of(languages, "rows", "quality['languages']")
    made = (
        overview_section(ledger_counts, tasks, text),
        balance_section(tasks, languages, text),
        lengths_section(tasks, counts, limits_of(budgets), text),
        token_budget_section(budgets, text),
        samples_section(tasks, rows_by_split, formatter, tokens, text),
        rejected_section(ledger_counts, rejected, text),
        changes_section(ledger_counts, changes_examples, text),
        duplicates_section(duplicates, text),
        quality_section(quality, text),
        leaks_section(leaks, text),
    )
    return _page([section for section in made if section is not None], title, language, text)


def write_report(html: str, path: str | os.PathLike[str]) -> None:
    """Write the page as UTF-8, whole or not at all.

    Raises:
        ValueError: When the path is a folder.
        OSError: When it cannot be written.
    """
    with atomic_path(path) as part:
        part.write_text(html, encoding="utf-8", newline="\n")


def _page(sections: Sequence[Section], title: str, language: str, text: dict[str, str]) -> str:
    jinja2 = require("jinja2", "data")
    markup = require("markupsafe", "data").Markup
    folder = files("bitsft.data.report")

    def shown(value: Any) -> Any:
        # Runs on every value before it is escaped; what is Markup is the page's own.
        return visible(value) if type(value) is str else value

    environment = jinja2.Environment(
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    # Exactly this text is named in the policy; browsers hash it with "\n" for a line's end.
    scripts = [plotly_js().replace("\r\n", "\n"), folder.joinpath("page.js").read_text("utf-8")]
    template = environment.from_string(folder.joinpath("page.html").read_text("utf-8"))
    return template.render(
        charts=[
            figure.chart
            for section in sections
            for block in section.blocks
            if isinstance(block, Figures)
            for figure in block.figures
        ],
        css=markup(folder.joinpath("page.css").read_text("utf-8")),
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
