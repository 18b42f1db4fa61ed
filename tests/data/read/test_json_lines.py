from pathlib import Path

from bitsft.data.read.charset import text_file
from bitsft.data.read.faults import Fault
from bitsft.data.read.json_lines import read_json_lines


def test_each_line_by_itself(tmp_path: Path) -> None:
    lines = [
        '{"q": "하나\u2028둘"}',
        "",
        '{"q": ',
        '["q"]',
        '{"q": 1, "q": 2}',
        '{"q": ' + "9" * 5000 + "}",
        "{" + '"q":{' * 500,
        '{"q": "\\ud83d"} {',
        "\0",
        ' {"q": NaN, "a": "\\ud83d"}\r',
    ]
    (tmp_path / "a").write_bytes("\n".join(lines).encode())
    rows = list(read_json_lines(text_file(str(tmp_path / "a"), "a.jsonl")))
    assert [(row.place, row.reason) for row in rows if isinstance(row, Fault)] == [
        ("line 3, column 7", "not JSON"),
        ("line 4", "is not an object"),
        ("line 5", "gives a key twice"),
        ("line 6", "holds a number that is too long"),
        ("line 7, column 2502", "not JSON"),
        ("line 8, column 17", "not JSON"),
        ("line 9, column 1", "not JSON"),
    ]
    assert rows[0] == {"q": "하나\u2028둘"}
    assert rows[-1]["a"] == "\ud83d"  # type: ignore[index]
    assert len(rows) == 9


def test_a_fault_shows_the_start_of_the_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{" + "가" * 1000, encoding="utf-8")
    (fault,) = read_json_lines(text_file(str(tmp_path / "a"), "a.jsonl"))
    assert isinstance(fault, Fault)
    assert fault.value == "{" + "가" * 198 + "…"
    assert len(fault.said) < 150
