"""E-mail addresses: the local part, "@", and a domain name with a top-level domain of letters (RFC 5321, ASCII
only).

Not taken for addresses: names of files and packages (icon@2x.png, lodash@4.17.21), the addresses that RFC 2606
reserves for examples (someone@example.com), `git@host:path`, and passwords in URLs. Addresses in Hangul, and
addresses that are spelled to escape notice (골뱅이, [at]), are not found.
"""

import re
from collections.abc import Iterator

from bitsft.data.clean.personal.found import Found, words_before

# The lookbehind makes the search start once for each run of characters, however long the run is. Marks before an
# address (부탁드려요..name@...) are not its own.
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9._%+-])[.%+-]*([A-Za-z0-9_][A-Za-z0-9._%+-]{0,63})"
    r"@((?:[A-Za-z0-9-]{1,63}\.){1,8}([A-Za-z]{2,24}))(?![A-Za-z0-9_@-])"
)
_FILE_ENDINGS = frozenset(
    (
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "bmp",
        "ico",
        "pdf",
        "js",
        "mjs",
        "ts",
        "tsx",
        "jsx",
        "css",
        "json",
        "html",
        "xml",
        "yaml",
        "yml",
        "txt",
        "md",
        "dll",
        "exe",
        "tgz",
        "gz",
        "service",
        "socket",
        "timer",
        "target",
    )
)
_RESERVED = re.compile(
    r"(?:^|\.)example(?:\.(?:com|net|org))?$|\.(?:test|invalid|localhost)$", re.I
)
_URL_LOGIN = re.compile(r"://[^\s/]*$")


def find_emails(plain: str) -> Iterator[Found]:
    """Yield the e-mail addresses in a plain copy of a text."""
    if "@" not in plain:
        return
    for match in _ADDRESS.finditer(plain):
        local, domain, last = match.groups()
        start, end = match.start(1), match.end()
        if (
            last.lower() in _FILE_ENDINGS
            or _RESERVED.search(domain)
            or domain.rpartition(".")[0].replace(".", "").isdigit()
            or (local == "git" and plain[end : end + 1] == ":")
            or _URL_LOGIN.search(words_before(plain, start, 80))
        ):
            continue
        yield Found("email", start, end)
