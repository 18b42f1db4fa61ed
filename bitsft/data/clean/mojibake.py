"""Texts that were read with the wrong charset, put right where that is certain. Off by default; needs `ftfy`.

Three mistakes, tried in this order:

| what happened | it looks like | repaired |
|---|---|---|
| CP949 read as Latin-1 | ¾È³çÇÏ¼¼¿ä | when the whole text is Latin-1 and becomes common Hangul |
| UTF-8 read as CP949 | 蹂듭궗: hanja and rare syllables | when no byte was lost on the way, and it becomes common Hangul |
| UTF-8 read as Latin-1 or Windows-1252 | ì•ˆë…•, â€œ | by `ftfy` (https://ftfy.readthedocs.io), in parts of a text too |

Common Hangul are the 2,350 syllables of KS X 1001 (rows 16 to 40), by which a chance hit is told from a repair:
at least two different ones must come out, and nothing but them, ASCII and the signs of KS X 1001. So a single
misread syllable is not repaired. `ftfy` does nothing else here: no straight quotes, no narrow characters, no
HTML entities.
"""

import functools
import re
from collections.abc import Callable

from bitsft._extras import require

# UTF-8 read as Latin-1 shows a byte above 0x7f; UTF-8 read as CP949 shows Chinese characters.
_HINT = re.compile("[\u0080-\u00ff\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_1 = re.compile("[\u0080-\u00ff]")


def maybe_mojibake(text: str) -> bool:
    """Whether the text holds any character without which `repair_mojibake` has nothing to do."""
    return _HINT.search(text) is not None


def repair_mojibake(text: str) -> tuple[str, int]:
    """Return the text as it was before it was read with the wrong charset, and 1 if it changed.

    Raises:
        ImportError: When `ftfy` is not installed.
    """
    if not maybe_mojibake(text):
        return text, 0
    repaired = _reread(text, "latin-1", "cp949")
    if repaired is None:
        repaired = _reread(text, "cp949", "utf-8")
    if repaired is None and _LATIN_1.search(text):
        repaired = _ftfy()(text)
    return (text, 0) if repaired is None or repaired == text else (repaired, 1)


def _reread(text: str, wrong: str, right: str) -> str | None:
    """Undo `decode(wrong)` and do `decode(right)`; None unless that is certain."""
    try:
        reread = text.encode(wrong).decode(right)
    except UnicodeError:
        return None
    foreign = {character for character in reread if character > "\x7f"}
    hangul = {character for character in foreign if "가" <= character <= "힣"}
    return reread if len(hangul) >= 2 and all(map(_is_common, foreign)) else None


@functools.lru_cache(maxsize=4096)
def _is_common(character: str) -> bool:
    """Whether a character is a syllable or a sign (rows 1 to 3) of KS X 1001."""
    try:
        code = character.encode("euc-kr")
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and (0xB0 <= code[0] <= 0xC8 or 0xA1 <= code[0] <= 0xA3)


@functools.cache
def _ftfy() -> Callable[[str], str]:
    ftfy = require("ftfy", "data")
    # Named one by one, so that a new fix of a newer version is the only one that could slip in.
    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_encoding=True,
        restore_byte_a0=True,
        replace_lossy_sequences=False,
        decode_inconsistent_utf8=True,
        fix_c1_controls=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )

    def repair(text: str) -> str:
        repaired: str = ftfy.fix_encoding(text, config)
        return repaired

    return repair
