"""Translation rows: a text in one language, and the same in another.

Shapes:

- `source`, `target`, and optionally `source_language`, `target_language`;
- the Hub's: `translation` = `{"ko": "...", "en": "..."}`;
- a column for each language: `ko`, `en`, or `한국어`, `영어` (`LANGUAGES`).

Which language the last two are translated from, `languages` says, or the row's own `source_language` and
`target_language`. Without them it is the first of the two, and the Hub sorts them by their codes: for
Korean to English give `languages=("ko", "en")`.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from typing_extensions import Self

from bitsft.data.check.schema import OptionalText, RowSchema, Text
from bitsft.data.fields import RowError, check_mapping, is_missing, optional

# code -> its other names as a column, casefolded
LANGUAGES = {
    "ko": ("ko", "kor", "korean", "한국어", "국문"),
    "en": ("en", "eng", "english", "영어", "영문"),
    "ja": ("ja", "jpn", "japanese", "일본어", "일문"),
    "zh": ("zh", "zho", "chinese", "중국어", "중문"),
}
_CODES = {name: code for code, names in LANGUAGES.items() for name in names}
_FORMS = "Give 'source' and 'target', or {'ko': ..., 'en': ...}"


class TranslationRow(RowSchema):
    """A text and its translation.

    Attributes:
        source: The text to translate.
        target: Its translation.
        source_language: The code or name of the language of `source`, where it is known.
        target_language: That of `target`.
    """

    task: ClassVar[str] = "translation"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("source", "translation"),
        ("target", "translation"),
    )
    reads: ClassVar[frozenset[str]] = frozenset(
        {"source", "target", "source_language", "target_language", "translation"}
    )

    source: Text
    target: Text
    source_language: OptionalText = None
    target_language: OptionalText = None

    @classmethod
    def from_raw(
        cls,
        raw: Mapping[str, Any],
        row_number: int | None = None,
        *,
        languages: tuple[str, str] | None = None,
    ) -> Self:
        """Check a raw row and return it in one shape.

        Args:
            raw: A row in one of the shapes that this module's docstring lists.
            row_number: The row's index from 0, for the error message.
            languages: The codes of the source and the target language, for rows that do not say.

        Raises:
            RowError: (a ValueError) for a missing, empty or mistyped field, or a `translation` that is
                not of two languages, or not of those asked for.
        """
        raw = check_mapping(raw, row_number)
        own = [optional(raw, f"{side}_language", row_number) for side in ("source", "target")]
        wanted: list[str | None] = own
        if languages is not None and own == [None, None]:
            wanted = list(languages)
        texts, fields = _by_language(raw, row_number)
        if not texts:
            values = {name: raw[name] for name in ("source", "target") if name in raw}
            values["source_language"], values["target_language"] = wanted
            return cls.validated(values, row_number)
        source, target = _direction(texts, wanted, row_number)
        values = {
            "source": texts[source],
            "target": texts[target],
            "source_language": source,
            "target_language": target,
        }
        return cls.validated(
            values, row_number, {"source": fields[source], "target": fields[target]}
        )


def language_columns(raw: Iterable[Any]) -> dict[str, str]:
    """Return the columns that are named after a language, by the language's code."""
    found: dict[str, str] = {}
    for column in raw:
        if isinstance(column, str) and _code(column) in LANGUAGES:
            found.setdefault(_code(column), column)
    return found


def _code(language: str) -> str:
    """Return the code of a language that `LANGUAGES` names, else the name itself."""
    return _CODES.get(unicodedata.normalize("NFC", language).strip().casefold(), language)


def _by_language(
    raw: Mapping[str, Any], row_number: int | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the texts by language, and the fields they stand in; {} where the row names its sides."""
    if not is_missing(raw.get("source")) or not is_missing(raw.get("target")):
        return {}, {}
    given = raw.get("translation")
    if is_missing(given):
        columns = {} if "source" in raw or "target" in raw else language_columns(raw)
        if len(columns) < 2:
            return {}, {}
        return {code: raw[column] for code, column in columns.items()}, columns
    if not isinstance(given, Mapping):
        reason = f"is of type {type(given).__name__}, not a mapping of languages to texts"
        raise RowError("translation", reason, _FORMS, given, row_number)
    names = {_code(name): name for name in given if isinstance(name, str)}
    if len(names) < 2:
        wrong = "has not two languages"
        raise RowError("translation", wrong, _FORMS, given, row_number)
    texts = {code: given[name] for code, name in names.items()}
    return texts, {code: f"translation.{name}" for code, name in names.items()}


def _direction(
    texts: Mapping[str, Any], wanted: list[str | None], row_number: int | None
) -> tuple[str, str]:
    """Return the codes of the source and the target language among those of the row."""
    source, target = (None if name is None else _code(name) for name in wanted)
    others = [code for code in texts if code not in (source, target)]
    if source is None and target is None and len(others) > 2:
        wrong, remedy = "are more than two languages", "Give languages=(source, target)"
        raise RowError("translation", wrong, remedy, others, row_number)
    if source is None and others:
        source = others.pop(0)
    if target is None and others:
        target = others.pop(0)
    if source is None or target is None or source == target or not {source, target} <= texts.keys():
        remedy = f"Give two of the row's languages, which are {', '.join(texts)}"
        wrong = "has not the two languages that are asked for"
        raise RowError("translation", wrong, remedy, [source, target], row_number)
    return source, target
