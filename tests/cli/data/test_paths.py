"""Files that a verb writes while it still reads."""

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
MAP = ("--task", "koalpaca", "--map", "Q=instruction,A=output")


@pytest.mark.parametrize(
    ("verb", "option", "more"),
    [
        ("check", "--rejected", ()),
        ("dedupe", "--review", ("--near", "0.8")),
        ("dedupe", "--conflicts", ("--by", "question")),
        ("quality", "--review", ()),
    ],
)
@pytest.mark.parametrize("way", ["itself", "link", "folder"])
def test_what_is_read_is_never_overwritten_line_by_line(
    csv_cp949: Path,
    tmp_path: Path,
    bitsft: Run,
    verb: str,
    option: str,
    more: tuple[str, ...],
    way: str,
) -> None:
    before = csv_cp949.read_bytes()
    source = {"itself": csv_cp949, "link": tmp_path / "link.csv", "folder": tmp_path}[way]
    if way == "link":
        source.symlink_to(csv_cp949)
    out = tmp_path / "elsewhere" / "out.jsonl"
    status, _, errors = bitsft(verb, source, *MAP, *more, option, csv_cp949, "--out", out)
    assert status == 2
    assert f"{option} {csv_cp949} is a file that is read" in errors
    assert csv_cp949.read_bytes() == before
    assert not out.exists()


def test_two_outputs_are_two_files(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "out.jsonl"
    status, _, errors = bitsft("check", csv_cp949, *MAP, "--out", out, "--rejected", out)
    assert status == 2
    assert errors == f"bitsft: --rejected and --out are both {out}; name two files\n"
    by_question = ("--by", "question", "--conflicts", out, "--out", out)
    status, _, errors = bitsft("dedupe", csv_cp949, *MAP, *by_question)
    assert status == 2
    assert "--conflicts and --out are both" in errors


def test_the_source_may_be_replaced_and_rejects_written_again(
    csv_cp949: Path, tmp_path: Path, bitsft: Run
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    path = folder / "rows.jsonl"
    assert bitsft("check", csv_cp949, *MAP, "--out", path)[0] == 0
    for _ in range(2):  # the second time the rejected rows' file is there, and is no source
        status, printed, _ = bitsft("dedupe", folder, "--out", path)
        assert status == 0
    assert printed.startswith("44 rows in, 44 out, 0 rejected")
