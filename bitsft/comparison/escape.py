"""Text of unknown content as Markdown that shows it, and does nothing else.

What a model wrote may hold HTML, links, images, a table's bar, a comment's end. Every character from which Markdown
or HTML make something becomes a numeric entity (CommonMark 0.31, section 2.5: "numeric character references cannot
be used in place of symbols indicating structure"), which renderers that know no backslash escapes show rightly, too.
Left as they are, so that the source stays readable: brackets and exclamation marks, which do nothing without [ ],
underscores within words, colons but for those of https:// and :emoji:, full stops but for that of www.
"""

import re

from bitsft.pages.visible import cut, visible

_STRUCTURE = re.compile(
    r"[\\`*\[\]<>#|~&$@]|(?<![^\W_])_|_(?![^\W_])|:(?=//|[\w+-]+:)|(?<=www)\.", re.IGNORECASE
)


def escaped(text: str) -> str:
    """One line of Markdown that shows the text; line feeds become spaces."""
    line = " ".join(visible(text).split())
    return _STRUCTURE.sub(lambda match: f"&#{ord(match[0])};", line)


def code(text: str) -> str:
    """One line as code, for names and signatures; not for tables, where a bar would end the cell.

    Within backticks nothing is read as Markdown or HTML (CommonMark 0.31, section 6.1); the fence is longer than
    any run of backticks in the text.
    """
    line = " ".join(visible(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}" if line else "(none)"


def escaped_lines(text: str, limit: int) -> str:
    """The text for a table's cell, at most `limit` characters; line feeds become `<br>`.

    Args:
        text: Any text.
        limit: In characters; what is longer ends in "…".

    Returns:
        Markdown on one line; of a text in which nothing is visible "*(empty)*".
    """
    lines = [escaped(line) for line in cut(text.strip(), limit).splitlines()]
    return "<br>".join(line for line in lines if line) or "*(empty)*"
