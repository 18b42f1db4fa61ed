from bitsft.pages.words import words_of


def test_a_reports_words_and_those_of_the_frame() -> None:
    english = words_of("en", {"made_by": ("A page", "페이지")})
    korean = words_of("ko", {"made_by": ("A page", "페이지")})
    assert (english["made_by"], korean["made_by"]) == ("A page", "페이지")
    assert (english["contents"], korean["contents"]) == ("Contents", "목차")
