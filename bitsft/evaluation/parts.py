"""The names under which an evaluation keeps scores: all rows, held-out texts; every other is a task's."""

ALL = "all"
"""The key of the scores over all rows."""

HELD_OUT = "held_out"
"""The key of the scores of held-out texts."""
