"""`check_choice`: an option that is one of a few words, refused at once where it is another one."""

from collections.abc import Collection


def check_choice(name: str, value: object, known: Collection[str]) -> None:
    """Make sure that an option has one of the values it can have.

    Args:
        name: The option's name, as the caller writes it.
        value: What was given.
        known: The values it can have, at least two.

    Raises:
        ValueError: For another value.
    """
    if not isinstance(value, str) or value not in known:
        *others, last = map(repr, known)
        raise ValueError(f"{name}={value!r} is not known; use {', '.join(others)} or {last}")
