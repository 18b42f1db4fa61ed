from bitsft.pages.numbers import number


def test_numbers() -> None:
    shown = [number(value) for value in (1234567, 0.28534, 12.0, 110.84, True, "a")]
    assert shown == ["1,234,567", "0.2853", "12", "110.8", "True", "a"]
