import pytest

from bitsft.data.read.dialect import Dialect, recognise


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("q,a\n하나,둘\n", ","),
        ("질문;답변\n안녕, 하세요;네, 네\n뭐;응\n", ";"),
        ("id\tdocument\n1\t좋다, 정말\n", "\t"),
        ("q|a\n1|2\n", "|"),
        ("text\n하나; 둘, 셋\n", ","),  # one column: nothing separates
        ("q,a\n하나\n둘,셋\n넷,다섯\n", ","),  # most rows fit
        ("q,a;b\n하나\n둘,셋;넷\n", ","),  # neither fits all: the name decides
        ('"q;x","a"\n"1;2","3"\n', ","),
        ("", ","),
    ],
)
def test_the_delimiter_of_a_csv(sample: str, delimiter: str) -> None:
    assert recognise(sample, True, is_tsv=False) == Dialect(delimiter, quoted=True)


def test_the_delimiter_of_a_tsv() -> None:
    assert recognise("q\ta\n1,2\t3\n", True, is_tsv=True) == Dialect("\t", quoted=False)
    assert recognise("q,a\n1,2\n", True, is_tsv=True) == Dialect(",", quoted=False)


def test_named_columns_stand_for_the_header() -> None:
    assert recognise("1;2\n3;4\n", True, False, columns=2).delimiter == ";"
    assert recognise("1;2;3\n3;4;5\n", True, False, columns=2).delimiter == ","


def test_what_the_caller_says_is_kept() -> None:
    assert recognise("q,a\n1,2\n", True, False, delimiter=";", quoted=False) == Dialect(";", False)


def test_a_line_that_the_sample_cuts_off_does_not_count() -> None:
    assert recognise("q;a\n1;2\n3", False, is_tsv=False).delimiter == ";"
    assert recognise("q;a\n1;2\n3", True, is_tsv=False).delimiter == ","


@pytest.mark.parametrize(
    ("sample", "quoted"),
    [
        ('q\ta\n"둘\n줄"\t네\n', True),  # as lines, they do not fit
        ('q\ta\n"탭\t탭"\t네\n', True),
        ('q\ta\n"그는 ""응"" 했다"\t네\n', True),
        ('q\ta\n"네"\t"응"\n', False),  # may be part of the text
        ('q\ta\n"그는 ""응"" 했다"\t네\n"네" 했다\t응\n', False),
        ('q\ta\n그는 "응" 했다\t네\n', False),
        ('q\ta\n1\t"네\n2\t응"\n', False),  # two stray quotes: each line fits
        ('q\ta\n1\t"네\n2\n3\t응\n', False),  # never closed
    ],
)
def test_quotes_in_a_tsv_must_be_certain(sample: str, quoted: bool) -> None:
    assert recognise(sample, True, is_tsv=True) == Dialect("\t", quoted)
