import logging
import os
import unicodedata
from pathlib import Path

import pytest

from bitsft.data.read.options import Options
from bitsft.data.read.sources import find_sources


def names(source: object, options: Options | None = None) -> list[str]:
    return [each.name for each in find_sources(source, options or Options())]


def make(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")


def test_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = ["a.csv", "b.JSONL.gz", "c/d.parquet", "c/rejected_answers.jsonl", "나.tsv"]
    no_data = ["README.md", "readme.txt", ".a.csv", ".git/a.json", "manifest.json", "LICENSE"]
    no_data += ["chatbot.LICENSE", "train.manifest.json", "rejected.jsonl", "dataset_info.json"]
    make(tmp_path, *data, *no_data, "x.xlsx", "c/y.parquet.gz2")
    with caplog.at_level(logging.INFO):
        found = names(tmp_path)
    assert found == [
        str(tmp_path / name) for name in ("a.csv", "b.JSONL.gz", "나.tsv", *sorted(data[2:4]))
    ]
    levels = {record.levelname: record.getMessage() for record in caplog.records}
    assert all(name in levels["INFO"] for name in no_data)
    assert levels["WARNING"].endswith("left out, with an unknown ending: x.xlsx, c/y.parquet.gz2")


def test_names_are_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "raw/a.csv", "b.jsonl")
    monkeypatch.chdir(tmp_path)
    assert names("raw") == ["raw/a.csv"]
    assert names(["./b.jsonl", Path("raw")]) == ["./b.jsonl", "raw/a.csv"]


def test_a_file_named_twice(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    with pytest.raises(ValueError, match="a.csv: is named more than once"):
        names([tmp_path, tmp_path / "a.csv"])


def test_a_folder_without_data(tmp_path: Path) -> None:
    make(tmp_path, "a.xlsx")
    with pytest.raises(ValueError, match=r"holds no file ending in .*; left out are a.xlsx"):
        names(tmp_path)


def test_korean_names_in_either_form(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "한글/자료.csv")
    make(tmp_path, decomposed)
    assert not (tmp_path / "한글").exists()
    assert names(tmp_path / "한글" / "자료.csv") == [str(tmp_path / "한글" / "자료.csv")]
    assert names(tmp_path / "한글") == [str(tmp_path / decomposed)]
    with pytest.raises(FileNotFoundError):
        names(tmp_path / "한글" / "없음.csv")


def test_the_order_does_not_depend_on_the_unicode_form(tmp_path: Path) -> None:
    make(tmp_path, "가.csv", unicodedata.normalize("NFD", "나.csv"), "다.csv")
    found = [unicodedata.normalize("NFC", os.path.basename(name)) for name in names(tmp_path)]
    assert found == ["가.csv", "나.csv", "다.csv"]


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.parquet.gz", "a.gz"])
def test_unknown_endings(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    with pytest.raises(ValueError, match=r"the name must end in one of .csv, .tsv"):
        names(tmp_path / name)


def test_an_option_must_be_of_use_to_one_file_at_least(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "b.jsonl")
    assert len(names(tmp_path, Options(delimiter=";"))) == 2
    with pytest.raises(ValueError, match="rows_under= does not apply to any of these files"):
        names(tmp_path, Options(rows_under="data"))
    with pytest.raises(ValueError, match="delimiter= does not apply to the JSON file"):
        names(tmp_path / "b.jsonl", Options(delimiter=";"))


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "::"},
        {"delimiter": '"'},
        {"header": "q"},
        {"header": []},
        {"rows_under": "a."},
    ],
)
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)) + "="):
        Options(**options)  # type: ignore[arg-type]
