"""Code within a text: Markdown's fenced blocks and `inline code`, which a cleaning step may have to leave
alone.

A fence that is never closed reaches to the end of the text. Fences of tildes do not count: a line that starts
with ~~~ is far more often a drawn-out greeting than code.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

Step: TypeAlias = Callable[[str], tuple[str, int]]

_CODE = re.compile(
    r"^[ \t]*```[^\n]*\n.*?(?:^[ \t]*```[ \t]*$|\Z)"  # a block
    r"|(?<!`)`+[^`\n]+`+",  # within a line
    re.DOTALL | re.MULTILINE,
)


def outside_code(text: str, step: Step) -> tuple[str, int]:
    """Apply a step to what is not code.

    Args:
        text: The text.
        step: Takes a text and returns it changed, with the number of changes.

    Returns:
        The whole text, and the number of changes.
    """
    if "`" not in text:
        return step(text)
    parts, times = [], 0
    for part, is_code in _parts(text):
        if not is_code:
            part, here = step(part)
            times += here
        parts.append(part)
    return "".join(parts), times


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for code in _CODE.finditer(text):
        if code.start() > end:
            yield text[end : code.start()], False
        yield code[0], True
        end = code.end()
    if end < len(text):
        yield text[end:], False
