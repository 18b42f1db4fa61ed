"""`build_report`: a prepared data set as one HTML page to look at.

The page is self-contained and lets nothing run that stands in a row (`bitsft/pages/render.py`). The same
rows and settings give the same bytes: ids are fixed, and there is no date.

Limits: the page shows examples of rows, of values before cleaning too. Where those hold personal
data, so does the page.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bitsft.data.common.atomic import atomic_path
from bitsft.data.rejected import RejectedRow
from bitsft.data.report.accounts import changes_section, overview_section, rejected_section
from bitsft.data.report.balance import balance_section
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
from bitsft.data.report.words import words
from bitsft.pages.render import render_page

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
        ImportError: Without plotly or jinja2 (the extra `report`).
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
    folder = files("bitsft.data.report")
    return render_page(
        [section for section in made if section is not None],
        title=title,
        language=language,
        text=text,
        template=folder.joinpath("samples.html").read_text("utf-8"),
        styles=folder.joinpath("samples.css").read_text("utf-8"),
    )


def write_report(html: str, path: str | os.PathLike[str]) -> None:
    """Write the page as UTF-8, whole or not at all.

    Raises:
        ValueError: When the path is a folder.
        OSError: When it cannot be written.
    """
    with atomic_path(path) as part:
        part.write_text(html, encoding="utf-8", newline="\n")
