from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.duplicates.gram_hashes import gram_set
from bitsft.data.duplicates.kept import Choice, choose_kept


def similarity(first: tuple[str, ...], second: tuple[str, ...], ngram: int) -> float:
    return min(
        len(gram_set(a, ngram) & gram_set(b, ngram)) / len(gram_set(a, ngram) | gram_set(b, ngram))
        for a, b in zip(first, second, strict=True)
    )


def test_a_chain_is_not_dropped_as_a_whole() -> None:
    rows = [("abcd",), ("abce",), ("abfe",), ("abcd",)]
    assert choose_kept(rows, 0.6, 1) == [
        Choice(0, 1.0),
        Choice(0, 4 / 6),
        Choice(2, 1.0),  # similar to the second, which was dropped, and not to the first
        Choice(0, 1.0),
    ]


def test_the_most_similar_kept_row_is_named() -> None:
    rows = [("abcdef",), ("abcxyz",), ("abcxyd",)]
    assert choose_kept(rows, 0.5, 1)[2] == Choice(1, 6 / 8)


def test_every_part_has_to_be_similar() -> None:
    rows = [
        ("오월 일정을 알려줘", "오월"),
        ("유월 일정을 알려줘", "유월"),
        ("오월 일정을 알려줘!", "오월"),
    ]
    assert [choice.kept for choice in choose_kept(rows, 0.6, 3)] == [0, 1, 0]


_FORM = st.text(alphabet="가나다", max_size=6)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(_FORM, _FORM), max_size=12),
    st.sampled_from([0.3, 0.5, 2 / 3, 0.8, 1.0]),
    st.integers(1, 3),
)
def test_the_stated_rule_against_all_comparisons(
    rows: list[tuple[str, str]], threshold: float, ngram: int
) -> None:
    kept: list[int] = []
    expected: list[Choice] = []
    for place, row in enumerate(rows):
        if row in rows[:place]:
            earlier = expected[rows.index(row)]
            expected.append(earlier)
            continue
        found = [(similarity(row, rows[other], ngram), -other) for other in kept]
        best, other = max(found, default=(0.0, 0))
        if best >= threshold:
            expected.append(Choice(-other, best))
        else:
            kept.append(place)
            expected.append(Choice(place, 1.0))
    assert choose_kept(rows, threshold, ngram) == expected
