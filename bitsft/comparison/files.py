"""A comparison in a folder.

    FOLDER/comparison.md     for the model card (`markdown.py`)
    FOLDER/comparison.json   everything (`as_json.py`)
    FOLDER/report.html       to look at (`report/`)

Each is written whole or not at all; what else lies in the folder stays.
"""

import os
from pathlib import Path

from bitsft.comparison.as_json import comparison_as_json
from bitsft.comparison.comparison import Comparison
from bitsft.comparison.markdown import comparison_as_markdown
from bitsft.data.common.atomic import atomic_path

MARKDOWN = "comparison.md"
JSON = "comparison.json"
REPORT = "report.html"


def write_comparison(
    comparison: Comparison,
    folder: str | os.PathLike[str],
    *,
    report: bool = True,
    language: str = "en",
) -> list[Path]:
    """Write a comparison.

    Args:
        comparison: What `compare` made.
        folder: Is made where it does not exist.
        report: Also write report.html.
        language: Of the report's own words, `"en"` or `"ko"`.

    Returns:
        The files.

    Raises:
        OSError: When the folder cannot be written.
        ValueError: When `language` is unknown, or a folder stands where a file should go.
        ImportError: When the report is asked for without the extra `report`.
    """
    texts = {
        MARKDOWN: comparison_as_markdown(comparison),
        JSON: comparison_as_json(comparison),
    }
    if report:
        from bitsft.comparison.report.build import build_comparison_report

        texts[REPORT] = build_comparison_report(comparison, language=language)
    paths = []
    for name, text in texts.items():
        paths.append(Path(folder) / name)
        with atomic_path(paths[-1]) as part:
            # half a surrogate pair, which a model can write, has no UTF-8 form
            part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return paths
