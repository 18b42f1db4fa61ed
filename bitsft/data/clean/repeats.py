"""Drawn-out characters: ㅋㅋㅋㅋㅋㅋ -> ㅋㅋㅋ, !!!!!! -> !!!, ...... -> ...

Shortened are single jamo (ㄱ-ㅎ, ㅏ-ㅣ: laughter, tears, sighs) and the marks ! ? ~ . , ; … ♥ ♡ with their
full-width forms. How often they stand in a row says how much, not what; left as they are, each length is a
token sequence of its own.

Not shortened, because the number says something there:
- digits (10000), letters (www, 0xFFFF) and Hangul syllables (하하하하; 구구구구 may be a number, 다다다 a sound);
- - = _ * # + | / \\ < > ' " ` ^ and brackets, which draw Markdown's rules, tables and headings, and mean
  something in code;
- ★ ☆ ● ○, with which stars and scores are given.

Code within backticks is left alone. Of all this Korean text keeps its meaning; a text of dots alone keeps
three.
"""

import functools
import re

from bitsft.data.clean.code_spans import outside_code

REPEATED = "\u3131-\u3163!?~.,;…♥♡！？～。、"


@functools.cache
def repeat_pattern(limit: int) -> re.Pattern[str]:
    """Return the pattern of one of these characters more than `limit` times in a row."""
    return re.compile(f"([{REPEATED}])\\1{{{limit},}}")


def shorten_repeats(text: str, limit: int) -> tuple[str, int]:
    """Return the text with at most `limit` of the same character in a row, and how many runs were cut.

    Args:
        text: The text.
        limit: How many stay, at least 1.
    """
    pattern = repeat_pattern(limit)
    return outside_code(text, lambda part: pattern.subn(lambda run: run[1] * limit, part))
