import pytest

from bitsft.data.common.answers import Answers
from bitsft.data.raft_builder.bm25 import Bm25Ranking
from bitsft.data.raft_builder.distractors import Drawn, draw_distractors
from bitsft.data.raft_builder.pool import ChunkPool

ORACLE = "서울은 대한민국의 수도이다. 한강이 흐른다."


def pool_of(*texts: str) -> ChunkPool:
    pool = ChunkPool()
    pool.add_documents(texts)
    return pool


def draw(pool: ChunkPool, count: int = 3, **options: object) -> Drawn:
    given = {"question": "수도는?", "beside": [ORACLE], "row_key": 1, **options}
    return draw_distractors(pool, count, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        ORACLE,
        "서울은 대한민국의  수도이다.\n한강이 흐른다.",
        "한강이 흐른다.",
        f"알아 두자. {ORACLE} 끝.",
        "서울은 우리 대한민국의 수도이다. 한강이 흐른다.",  # a near copy
    ],
)
def test_the_oracle_never_comes_back(text: str) -> None:
    assert draw(pool_of(text)).texts == []


def test_near_copies_are_counted_and_can_be_allowed() -> None:
    pool = pool_of("서울은 우리 대한민국의 수도이다. 한강이 흐른다.")
    assert draw(pool).near_copies == 1
    assert len(draw(pool, near_copy=1.0).texts) == 1


def test_a_distractor_does_not_contain_another() -> None:
    pool = pool_of("부산은 항구이다.", "부산은 항구이다. 바다가 있다.")
    assert all(len(draw(pool, row_key=key).texts) == 1 for key in range(20))


def test_chunks_with_the_answer_are_left_out() -> None:
    pool = pool_of("옛 서울의 성", "부산의 바다")
    drawn = draw(pool, answers=Answers(["서울"]))
    assert (drawn.texts, drawn.with_answer) == (["부산의 바다"], 1)
    assert sorted(draw(pool).texts) == ["부산의 바다", "옛 서울의 성"]


def test_chunks_to_avoid() -> None:
    assert draw(pool_of("부산의 바다"), avoid={"부산의바다"}).texts == []


def test_hard_ones_come_first_and_the_rest_is_random() -> None:
    pool = pool_of("수도 요금 안내", "다른 수도는 파리", "사과", "바나나", "포도")
    ranking = Bm25Ranking(pool.texts, pool.keys)
    drawn = draw(pool, 3, ranking=ranking, hard=1.0)
    assert set(drawn.texts[:2]) == {"수도 요금 안내", "다른 수도는 파리"}
    assert drawn.texts[0] == "다른 수도는 파리"
    assert (len(drawn.texts), drawn.hard, drawn.hard_wanted) == (3, 2, 3)


def test_the_share_of_hard_ones_is_right_on_average() -> None:
    pool = pool_of(*(f"수도 {number} 이야기" for number in range(9)))
    ranking = Bm25Ranking(pool.texts, pool.keys)
    wanted = [
        draw(pool, 3, ranking=ranking, hard=0.5, row_key=key, near_copy=1.0).hard
        for key in range(400)
    ]
    assert set(wanted) == {1, 2}
    assert 1.4 < sum(wanted) / 400 < 1.6
