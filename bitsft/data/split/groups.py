"""`Groups`: rows that share a key, directly or through other rows, are one group.

The groups are the connected components of rows and keys: if row 1 shares its document with row 2, and row
2 its question with row 3, the three are one group. They are found by union-find over the keys' ranks
(Galler and Fischer 1964, doi 10.1145/364099.364331), always in favour of the smaller rank, so that a
group's root is its *smallest* key. That key stands for the group, whatever the order of its rows.

Keys rank by kind before they rank by digest: documents, then questions and columns, then rows, then
clusters. So a group that has a document is known by it, and stays where it is when questions are added.

Memory: 17 bytes a key and 4 a row while rows are added, about 100 bytes a key at the end.
"""

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

# Kinds of keys, by rank.
BY_DOCUMENT, BY_QUESTION, BY_ROW, BY_CLUSTER = range(4)


class Groups:
    """Collects the keys of rows and joins them to groups."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._kinds = bytearray()
        self._keys_of_row = array("I")

    def __len__(self) -> int:
        """Rows added."""
        return len(self._keys_of_row)

    def add(self, keys: Sequence[tuple[int, bytes]]) -> None:
        """Add a row with its keys, at least one: pairs of kind and 16-byte digest."""
        for kind, digest in keys:
            self._kinds.append(kind)
            self._digests += digest
        self._keys_of_row.append(len(keys))

    def joined(self) -> tuple["numpy.ndarray", list[bytes]]:
        """Join the rows.

        Returns:
            The number of each row's group, int64 of shape (rows,), and each group's key. Groups are
            numbered in the order of their keys, so that the order of the rows plays no part.
        """
        import numpy

        ranks, digests = ranked(self._digests, self._kinds)
        parent = list(range(len(digests)))
        first_of_row = numpy.empty(len(self), dtype=numpy.int64)
        at = 0
        key_ranks = ranks.tolist()
        for row, keys in enumerate(self._keys_of_row):
            one = key_ranks[at]
            first_of_row[row] = one
            for other in key_ranks[at + 1 : at + keys]:
                _join(parent, one, other)
            at += keys
        # A parent is never larger than its child, so one pass in rising order reaches all roots.
        for key, above in enumerate(parent):
            parent[key] = parent[above]
        roots = numpy.asarray(parent, dtype=numpy.int64)[first_of_row]
        kept, group_of_row = numpy.unique(roots, return_inverse=True)
        return group_of_row, [digests[root].tobytes() for root in kept.tolist()]


def ranked(
    digests: bytearray, kinds: bytearray | None = None
) -> tuple["numpy.ndarray", "numpy.ndarray"]:
    """Sort 16-byte digests, those of smaller kinds first, and drop repeated ones.

    Returns:
        The rank of each digest, int64 of shape (n,), and the sorted digests, `V16` of shape (distinct,).
    """
    import numpy

    halves = numpy.frombuffer(bytes(digests), dtype=">u8").reshape(-1, 2).astype(numpy.uint64)
    levels = [halves[:, 1], halves[:, 0]]
    if kinds is not None:
        levels.append(numpy.frombuffer(bytes(kinds), dtype=numpy.uint8))
    order = numpy.lexsort(levels)
    is_new = numpy.ones(len(order), dtype=bool)
    is_new[1:] = False
    for level in levels:
        ordered = level[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    ranks = numpy.empty(len(order), dtype=numpy.int64)
    ranks[order] = numpy.cumsum(is_new) - 1
    return ranks, numpy.frombuffer(bytes(digests), dtype="V16")[order[is_new]]


def _join(parent: list[int], one: int, other: int) -> None:
    one, other = _root(parent, one), _root(parent, other)
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


def _root(parent: list[int], key: int) -> int:
    while parent[key] != key:
        parent[key] = parent[parent[key]]
        key = parent[key]
    return key
