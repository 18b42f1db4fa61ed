"""`language_share`: how much of a text is Hangul, Latin, Han, kana, or in another script.

Letters are counted, after NFC, so that a syllable of an NFD file counts once; digits, marks, emoji and
spaces are no letters. The scripts are blocks of the Unicode Standard (version 16, Blocks.txt):

| script | letters |
|---|---|
| hangul | syllables, jamo and compatibility jamo (ㅋ), half-width ones |
| latin | Basic Latin to Latin Extended-B, Extended Additional, full-width ones |
| han | ideographs of all blocks, 々 |
| kana | hiragana, katakana, half-width ones |
| other | letters of all other scripts |

Limits: a script is no language. Japanese mixes han and kana, and all Western languages are latin.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCRIPTS = ("hangul", "latin", "han", "kana", "other")

_CLASSES = {
    "hangul": "\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f\ua960-\ua97c\ud7b0-\ud7fb\uffa1-\uffdc",
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
    "han": "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd",
    "kana": "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d",
}
_RUNS = re.compile("|".join(f"(?P<{name}>[{letters}]+)" for name, letters in _CLASSES.items()))
_OTHER = re.compile(rf"[^\W\d_{''.join(_CLASSES.values())}]+")


def script_counts(text: str) -> Counter[str]:
    """Count the letters of a text by script.

    Args:
        text: Any text.

    Returns:
        Letters by the names in `SCRIPTS`; scripts that do not occur are left out.
    """
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    counts: Counter[str] = Counter()
    if text.isascii():
        latin = sum(map(len, re.findall("[A-Za-z]+", text)))
        return Counter(latin=latin) if latin else counts
    for match in _RUNS.finditer(text):
        counts[match.lastgroup or ""] += match.end() - match.start()
    if other := sum(map(len, _OTHER.findall(text))):
        counts["other"] = other
    return counts


def language_share(text: str) -> dict[str, float]:
    """Return each script's share of a text's letters.

    Args:
        text: Any text.

    Returns:
        Shares by the names in `SCRIPTS`, which add up to 1; `{}` for a text without letters.
    """
    return shares(script_counts(text))


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return counts as shares of their sum, in the order of `SCRIPTS`; `{}` for no letters."""
    total = sum(counts.values())
    return {name: counts[name] / total for name in SCRIPTS if counts.get(name)} if total else {}


@dataclass
class LanguageReport:
    """The scripts of a whole data set.

    Attributes:
        letters: Letters by script, over all texts.
        rows: Rows by the script that most of their letters have; "none" for no letters.
    """

    letters: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    def add(self, counts: Mapping[str, int]) -> None:
        """Count a row by the letters of its texts (`script_counts`)."""
        self.letters.update(counts)
        # A tie goes to the script that stands first in SCRIPTS.
        main = max(SCRIPTS, key=lambda name: counts.get(name, 0)) if counts else "none"
        self.rows[main] += 1

    def as_dict(self) -> dict[str, Any]:
        """The shares of letters, and the rows by their main script."""
        order = [*SCRIPTS, "none"]
        return {
            "letters": {name: round(share, 6) for name, share in shares(self.letters).items()},
            "rows": {name: self.rows[name] for name in order if self.rows[name]},
        }

    def __str__(self) -> str:
        letters = ", ".join(f"{name} {share:.1%}" for name, share in shares(self.letters).items())
        rows = ", ".join(f"{name} {count:,}" for name, count in self.as_dict()["rows"].items())
        return f"letters: {letters or 'none'}; rows by main script: {rows or 'none'}"
