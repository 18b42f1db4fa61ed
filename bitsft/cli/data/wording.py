"""Messages of the functions, in the words of the command line.

A function says `method='exact'`, and whoever typed a command knows it as `--method exact`.
"""

import logging
import re

_WORDS: tuple[tuple[str, str], ...] = (
    (r"(--[a-z-]+(?: [A-Z]+)?) \([a-z_]+=[^()]*\)", r"\1"),  # the option is named already
    (r"\boverwrite=True \(--overwrite\)", "--overwrite"),
    (r"\bdtype=torch\.(\w+)", r"--dtype \1"),
    (r"\bformat='([\w-]+)'", r"--format \1"),
    (r"columns=\{'([^']+)': '([^']*)'\}", r"--map \2=\1"),
    (r"\bcolumns=\{(?:\.\.\.|…)[^}]*\}", "--map FILE=TASK"),
    (r"\bcolumns names\b", "--map names"),
    (r"\bmethod='(\w+)'", r"--method \1"),
    (r"\boverwrite=True\b", "--overwrite"),
    (r"\bquoted=False\b", "--no-quoted"),
    (r"\bquoted=True\b", "--quoted"),
    (r"\bencoding='([\w-]+)'", r"--encoding \1"),
    (r"\bdelimiter='(.)'", r"--delimiter '\1'"),
    (r"\brows_under='([^']+)'", r"--rows-under \1"),
    (r"\btoo_few='fewer'", "--fewer"),
    (r"\bnear_copy=", "--near-copy "),
    (r"\bmax_size=", "--chunk-size "),
    (r"\bthreshold=", "--near "),
    (r"\bmax_repeats=", "--repeats "),
    (r"\bsplit='([^']+)', config=None", r"split \1"),
    (r"\bsplit='([^']+)', config='([^']+)'", r"split \1, config \2"),
    (r"\bsplit=(?:None|'train')", "--part train"),
    (r"\blabel_names=?", "--labels"),
    (r"\bgroup_by='(\w+)'", r"--group-by \1"),
    (r"\bstratify_by='(\w+)'", r"--stratify-by \1"),
    (r"\bno_answer='[^']*'", "--no-answer TEXT"),
    (r"\bmetrics has\b", "--metrics has"),
    (r"\bby='(\w+)'", r"--by \1"),
    (r"\blabels=\['([^']+)', '([^']+)'\]", r"--labels \1,\2"),
    (r"\blanguages=\('(\w+)', '(\w+)'\)", r"--languages \1,\2"),
)


def in_options(message: str) -> str:
    """Return the message with Python's arguments written as options."""
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    if "ratios={" not in message:
        return message
    return re.sub(r"\bratios=\{(.*?)\}|(?<=e\.g\. )\{('.*?)\}", _shares, message)


def _shares(found: re.Match[str]) -> str:
    """`ratios={'train': 0.8}`, or the example that follows it, as --ratios takes it."""
    given = found[1] if found[1] is not None else found[2]
    shares = re.sub(r"'([^']*)': ", r"\1=", given).replace(", ", ",")
    return f"--ratios {shares}" if found[1] is not None else shares


class OptionsFormatter(logging.Formatter):
    """Formats warnings the same way."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return in_options(super().format(record))
