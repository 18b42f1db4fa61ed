import bz2
import gzip
import logging
import lzma
from pathlib import Path

import pytest

from bitsft.data.read import charset
from bitsft.data.read.charset import TextFile, text_file
from bitsft.data.read.faults import UnreadableFileError

KOREAN = "똠방각하 펲시콜라 ㅋㅋ\n"


def opened(path: Path, encoding: str | None = None) -> tuple[str, str]:
    file = text_file(str(path), "given.txt", encoding)
    with file.open() as stream:
        return file.encoding, stream.read()


@pytest.mark.parametrize(
    ("written", "named", "found"),
    [
        ("utf-8", None, "utf-8"),
        ("utf-8-sig", None, "utf-8"),
        ("cp949", None, "cp949"),
        ("utf-16", "utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le", "utf-16-le"),
        ("johab", "johab", "johab"),
    ],
)
def test_the_ladder_and_named_charsets(
    tmp_path: Path, written: str, named: str | None, found: str
) -> None:
    (tmp_path / "a").write_bytes(KOREAN.encode(written))
    assert opened(tmp_path / "a", named) == (found, KOREAN)


def test_a_mark_is_dropped_with_a_named_charset_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(("\ufeff" + KOREAN).encode("utf-16-le"))
    assert opened(tmp_path / "a", "utf-16-le") == ("utf-16-le", KOREAN)


@pytest.mark.parametrize("piece", [1, 2, 3, 5])
def test_places_are_right_where_pieces_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(charset, "_PIECE", piece)
    data = "가\n나".encode() + b"\xec\xff\n"
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableFileError) as caught:
        text_file(str(tmp_path / "a"), "a.csv")
    # In CP949 0xec 0xff is no character, and neither are the UTF-8 bytes before it.
    assert caught.value.detail.startswith("at byte 7 (0xec, line 2), nor CP949, at byte ")
    (tmp_path / "a").write_bytes("첫 줄\n둘째 ㄱ".encode("cp949"))
    with caplog.at_level(logging.WARNING):
        assert opened(tmp_path / "a") == ("cp949", "첫 줄\n둘째 ㄱ")
    assert "given.txt is not UTF-8 (byte 3 (0xc1, line 1)): read as CP949" in caplog.text


def test_a_character_cut_off_at_the_end_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("가나".encode()[:-1])
    with pytest.raises(UnreadableFileError, match=r"not UTF-8, at byte 3 \(0xeb, line 1\), nor"):
        text_file(str(tmp_path / "a"), "a.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"a.csv: holds no rows, the file is empty \(0 bytes\)"),
        (KOREAN.encode("utf-16"), "order mark of UTF-16. Pass encoding='utf-16'"),
        (KOREAN.encode("utf-32"), "order mark of UTF-32. Pass encoding='utf-32'"),
        ("q,a\n".encode("utf-16-le"), "byte 1 .* pass encoding='utf-16-le'"),
        ("q,a\n".encode("utf-16-be"), "byte 0 .* pass encoding='utf-16-be'"),
    ],
)
def test_what_is_recognised_but_not_read(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableFileError, match=message):
        text_file(str(tmp_path / "a"), "a.csv")


@pytest.mark.parametrize("encoding", ["hex", "nothing", "utf-16", "ascii", "\0"])
def test_named_charsets_that_do_not_fit(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a").write_bytes(b"q,\xff")
    with pytest.raises(UnreadableFileError, match="a.csv: cannot be read with encoding="):
        text_file(str(tmp_path / "a"), "a.csv", encoding)


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_files(tmp_path: Path, suffix: str, compress: object) -> None:
    assert callable(compress)
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(compress(KOREAN.encode("cp949")))
    assert opened(path) == ("cp949", KOREAN)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UnreadableFileError, match="a.csv: cannot be decompressed, "):
        text_file(str(path), "a.csv")
    path.write_bytes(b"not compressed")
    with pytest.raises(UnreadableFileError, match="a.csv: cannot be decompressed, "):
        text_file(str(path), "a.csv")


def test_a_folder_or_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="a.csv: cannot be opened, .*Is a directory"):
        text_file(str(tmp_path), "a.csv")


def test_newlines_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\rb\r\nc")
    with TextFile(str(tmp_path / "a"), "a", "utf-8").open("") as lines:
        assert list(lines) == ["a\r", "b\r\n", "c"]
    with TextFile(str(tmp_path / "a"), "a", "utf-8").open() as lines:
        assert list(lines) == ["a\rb\r\n", "c"]
