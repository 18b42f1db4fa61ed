from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.split.groups import BY_DOCUMENT, BY_QUESTION, BY_ROW, Groups, ranked

DIGESTS = [bytes([n]) * 16 for n in range(256)]


def joined(rows: list[list[tuple[int, bytes]]]) -> tuple[list[int], list[bytes]]:
    groups = Groups()
    for keys in rows:
        groups.add(keys)
    numbers, keys_of_groups = groups.joined()
    return numbers.tolist(), keys_of_groups


def test_rows_are_joined_through_other_rows() -> None:
    d1, d2, q1, q2, q3 = (
        (BY_DOCUMENT, DIGESTS[9]),
        (BY_DOCUMENT, DIGESTS[7]),
        (BY_QUESTION, DIGESTS[1]),
        (BY_QUESTION, DIGESTS[2]),
        (BY_QUESTION, DIGESTS[3]),
    )
    numbers, keys = joined([[d1, q1], [q3], [d1, q2], [d2, q2], [q3]])
    assert numbers == [0, 1, 0, 0, 1]
    assert keys == [DIGESTS[7], DIGESTS[3]]


def test_a_document_names_the_group_before_any_question() -> None:
    document = (BY_DOCUMENT, DIGESTS[200])
    for question in (1, 250):
        assert joined([[document, (BY_QUESTION, DIGESTS[question])]])[1] == [DIGESTS[200]]


def test_the_same_digest_of_two_kinds_is_two_keys() -> None:
    assert joined([[(BY_QUESTION, DIGESTS[1])], [(BY_ROW, DIGESTS[1])]])[0] == [0, 1]


def test_no_rows() -> None:
    assert joined([]) == ([], [])


def test_ranks_follow_the_bytes() -> None:
    ranks, digests = ranked(bytearray(b"".join([DIGESTS[255], DIGESTS[0], DIGESTS[255]])))
    assert ranks.tolist() == [1, 0, 1]
    assert [digest.tobytes() for digest in digests] == [DIGESTS[0], DIGESTS[255]]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=3)),
    st.randoms(use_true_random=False),
)
def test_groups_are_the_connected_components(rows: list, random) -> None:
    keyed = [[(kind, DIGESTS[number]) for kind, number in row] for row in rows]
    numbers, keys = joined(keyed)
    # Another way to the components: spread labels until nothing changes.
    labels = list(range(len(keyed)))
    for _ in keyed:
        for one in range(len(keyed)):
            for other in range(len(keyed)):
                if set(keyed[one]) & set(keyed[other]):
                    labels[one] = labels[other] = min(labels[one], labels[other])
    for one in range(len(keyed)):
        assert (
            keys[numbers[one]]
            == min(
                key
                for row, label in zip(keyed, labels, strict=True)
                if label == labels[one]
                for key in row
            )[1]
        )
        for other in range(len(keyed)):
            assert (numbers[one] == numbers[other]) == (labels[one] == labels[other])
    order = list(range(len(keyed)))
    random.shuffle(order)
    shuffled, shuffled_keys = joined([keyed[at] for at in order])
    assert shuffled_keys == keys
    assert [numbers[at] for at in order] == shuffled
