"""`build_comparison_report`: a comparison of two models as one HTML page to look at.

The page is self-contained and lets nothing run that a model said (`bitsft/pages/render.py`): all texts are
escaped, and a content security policy names the page's own scripts by their hashes. The same comparison and
settings give the same bytes.

Limits: the page shows texts of the data and of the models as they are. Where those hold personal data, so does
the page.
"""

from importlib.resources import files

from bitsft.comparison.comparison import Comparison
from bitsft.comparison.report import formats
from bitsft.comparison.report.answers import answers_section
from bitsft.comparison.report.choice import choose_rows
from bitsft.comparison.report.confusion import confusion_section
from bitsft.comparison.report.ranking import changes_section
from bitsft.comparison.report.sections import overview_section, scores_section, slices_section
from bitsft.comparison.report.spread import spread_section
from bitsft.comparison.report.words import words
from bitsft.pages.render import render_page


def build_comparison_report(
    comparison: Comparison,
    *,
    title: str | None = None,
    language: str = "en",
    rows: int = 200,
    seed: int = 0,
) -> str:
    """Build the page. A section of which nothing is known is left out.

    Args:
        comparison: What `compare` returns.
        title: The page's heading; None names the two models.
        language: Of the page's own words: `"en"` or `"ko"`.
        rows: The most rows whose answers are shown. Of more, the best and worst changes of each part are,
            regressions up to half of this number, and a random sample; the page says how many.
        seed: Of what is drawn.

    Returns:
        The page, for `write_report`.

    Raises:
        ValueError: For an unknown `language` or a negative `rows`.
        ImportError: Without plotly or jinja2 (the extra `report`).
    """
    text = words(language)
    if rows < 0:
        raise ValueError(f"rows={rows} must be at least 0")
    models = formats.short_names(comparison.base.model, comparison.tuned.model)
    if models[0] == models[1]:
        models = (
            text["base_model"].format(model=models[0]),
            text["tuned_model"].format(model=models[1]),
        )
    choice = choose_rows(comparison, rows, seed)
    made = (
        overview_section(comparison, models, text),
        scores_section(comparison, models, text, language),
        spread_section(comparison, models, seed, text),
        confusion_section(comparison, models, text),
        slices_section(comparison, text),
        changes_section(comparison, models, choice, text),
        answers_section(comparison, models, choice, seed, text) if choice.places else None,
    )
    folder = files("bitsft.comparison.report")
    return render_page(
        [section for section in made if section is not None],
        title=text["title"].format(base=models[0], tuned=models[1]) if title is None else title,
        language=language,
        text=text,
        template=folder.joinpath("report.html").read_text("utf-8"),
        styles=folder.joinpath("report.css").read_text("utf-8"),
        script=folder.joinpath("report.js").read_text("utf-8"),
    )
