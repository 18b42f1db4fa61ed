"""What every page says, in English and in Korean; each report has a dictionary of its own beside it."""

from typing import TypeAlias

LANGUAGES = ("en", "ko")

Dictionary: TypeAlias = dict[str, tuple[str, str]]
"""key -> (English, Korean); `{names}` are filled in by the reports."""

_FRAME: Dictionary = {
    "contents": ("Contents", "목차"),
    "no_script": (
        "The charts need JavaScript; all tables and texts are here without it.",
        "차트를 보려면 자바스크립트가 필요합니다. 표와 글은 그대로 보입니다.",
    ),
}


def words_of(language: str, dictionary: Dictionary) -> dict[str, str]:
    """Return the words of a report and those of the frame, by their keys.

    Args:
        language: One of `LANGUAGES`.
        dictionary: The report's own words, with `made_by`, which stands above the title.
    """
    column = LANGUAGES.index(language)
    return {key: texts[column] for key, texts in (_FRAME | dictionary).items()}
