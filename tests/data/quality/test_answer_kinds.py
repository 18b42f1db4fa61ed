from bitsft.data.quality.answer_kinds import is_refusal, is_verdict


def test_verdicts_and_refusals_are_whole_answers() -> None:
    assert is_verdict("○")
    assert not is_verdict("")
    assert not is_verdict("예를 들면 서울")
    assert not is_refusal("서울")
    assert is_refusal("unbekannt", refusals=("unbekannt",))
    long = "그 이유는 알 수 없지만 " + "서울은 대한민국의 수도이며 " * 6
    assert not is_refusal(long)
