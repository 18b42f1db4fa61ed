from bitsft.data.common.hashing import digest, one_form, row_hash, stable_hash


def test_hashes_are_the_same_everywhere() -> None:
    assert stable_hash("서울", 0) == 10078940153489390067
    assert digest("가").hex() == "222811115656f6e540de03cc6754be48"


def test_a_digest_depends_on_its_kind_and_takes_half_surrogates() -> None:
    assert len({digest("가"), digest("가", b"row"), digest("가", b"question")}) == 3
    assert digest("\ud83d") != digest("\ud83e")


def test_a_hash_keeps_parts_apart_and_takes_half_surrogates() -> None:
    assert stable_hash("ab", "c") != stable_hash("a", "bc")
    assert stable_hash("\ud83d") != stable_hash("\ud83e")


def test_a_row_has_one_hash_whatever_the_order_of_its_columns() -> None:
    row = {"a": "가", "b": [1, {"c": None, "d": b"x"}]}
    assert row_hash(row, 0) == row_hash({"b": [1, {"d": b"x", "c": None}], "a": "가"}, 0)
    assert row_hash(row, 0) != row_hash(row, 1) != row_hash({**row, "a": "나"}, 1)


def test_one_form() -> None:
    assert one_form({"b": "가", "a": b"x"}) == """{"a": "b'x'", "b": "가"}"""
    assert one_form({1: "가", "a": 2}) == "{1: '가', 'a': 2}"
