import pytest

from bitsft.data.quality.groundedness import (
    NO_WORDS,
    REFUSAL,
    SIGNATURE,
    VERDICT,
    Judged,
    groundedness,
)

DOCUMENTS = ["서울은 대한민국의 수도이다. 1394년에 한양으로 도읍을 옮겼다.", "부산은 항구이다."]


@pytest.mark.parametrize(
    "answer", ["서울", "서울이에요.", "서울입니다", "대한민국의 수도", "대한민국 수도", "1394년", "항구", "한양으로 옮겼습니다"]
)  # fmt: skip
def test_grounded(answer: str) -> None:
    assert groundedness(answer, DOCUMENTS) == Judged(1.0)


def test_the_share_of_words() -> None:
    assert groundedness("1392년 한양", DOCUMENTS) == Judged(0.5, "", ("1392",))
    assert groundedness("대구", DOCUMENTS) == Judged(0.0, "", ("대구",))
    assert groundedness("서울", []) == Judged(0.0, "", ("서울",))


def test_of_several_answers_the_best_counts() -> None:
    assert groundedness(["대구", "서울"], DOCUMENTS).value == 1.0
    assert groundedness(["예", "대구"], DOCUMENTS).value == 0.0
    assert groundedness([], DOCUMENTS) == Judged(None, NO_WORDS)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("예", VERDICT),
        ("아니요.", VERDICT),
        ("TRUE", VERDICT),
        ("네, 맞습니다.", VERDICT),
        ("아니요, 그렇지 않습니다.", VERDICT),
        ("문서만으로는 알 수 없습니다.", REFUSAL),
        ("I don't know.", REFUSAL),
        ("문서에 나와 있지 않습니다", REFUSAL),
        ("ㅋㅋㅋ", NO_WORDS),
        ("!?", NO_WORDS),
    ],
)
def test_not_judged(answer: str, reason: str) -> None:
    assert groundedness(answer, DOCUMENTS) == Judged(None, reason)


def test_the_signature() -> None:
    assert SIGNATURE == (
        "groundedness|method:verbatim,else-share-of-content-words|words:light-stem"
        "|norm:nfc,casefold|v:1"
    )
