"""A CSV file as a spreadsheet in Korea writes it, and the command to run on it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bitsft.cli import main

ROWS = [
    ("수도는 어디인가요?", "서울입니다."),
    ("한라산은 어디에 있나요?", "제주도에 있습니다ㅋㅋㅋㅋㅋㅋ"),
    ("세종대왕은 무엇을 만들었나요?", "한글을 만들었습니다."),
    ("수도는 어디인가요?", "서울입니다."),
    ("빈 답은 어떻게 되나요?", ""),
    ("고객센터 번호는?", "010-1234-5678 입니다."),
    *((f"{n}번째 질문은 무엇인가요?", f"{n}번째 답입니다.") for n in range(40)),
]


@pytest.fixture
def csv_cp949(tmp_path: Path) -> Path:
    """46 rows with the columns Q and A: one repeats another, one has no answer."""
    path = tmp_path / "질문.csv"
    lines = ["Q,A", *(f'"{question}","{answer}"' for question, answer in ROWS)]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("cp949"))
    return path


@pytest.fixture
def bitsft(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `bitsft data ...`; returns the exit status and what was printed to both streams."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["data", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return run
