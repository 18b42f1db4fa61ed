import pytest

from bitsft.data.raft_builder.pool import ChunkPool
from bitsft.data.records import Record


def pool_of(*documents: object, **options: object) -> ChunkPool:
    pool = ChunkPool(**options)  # type: ignore[arg-type]
    pool.add_documents(documents)  # type: ignore[arg-type]
    return pool


def test_equal_chunks_are_one() -> None:
    pool = pool_of("서울은 수도이다.", "서울은\n수도이다. ", "부산은 항구이다.")
    assert pool.texts == ["서울은 수도이다.", "부산은 항구이다."]
    assert (pool.documents_read, pool.repeated) == (3, 1)


def test_documents_as_rows_and_records() -> None:
    pool = pool_of({"text": "하나", "id": 7}, Record({"text": "둘", "id": "b"}), {"text": "셋"})
    assert pool.documents == {"7": "하나", "b": "둘"}
    assert pool.texts == ["하나", "둘", "셋"]


def test_empty_documents_are_counted() -> None:
    pool = pool_of("", {"text": None}, " \u200b", "하나")
    assert (pool.documents_empty, pool.documents_read, len(pool)) == (3, 1, 1)


def test_long_documents_are_cut() -> None:
    assert pool_of("하나다. 둘이다.", chunk_size=5).texts == ["하나다.", "둘이다."]


def test_the_random_order_has_every_chunk() -> None:
    pool = pool_of("하나", "둘", "셋")
    assert sorted(pool.random_order(5, 1)) == [0, 1, 2]
    pool.add("넷")
    assert sorted(pool.random_order(5, 1)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (7, "document 1: 7 is neither"),
        ({"body": "가"}, "document 1: it has the columns .'body'., but no 'text'"),
        ({"text": 7}, "document 1: field 'text' is of type int"),
        ("가\ud83d", "document 1: field 'text' holds half of a surrogate pair"),
        ({"text": "나", "id": "a"}, "document 1: its id 'a' is that of another document"),
    ],
)
def test_documents_that_cannot_be_read(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool_of({"text": "가", "id": "a"}, document)


def test_senseless_sizes() -> None:
    with pytest.raises(ValueError, match="max_size=0"):
        ChunkPool(chunk_size=0)
    with pytest.raises(ValueError, match="needs a chunk_size"):
        ChunkPool(chunk_overlap=3)
