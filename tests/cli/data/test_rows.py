"""`bitsft data check | clean | dedupe | format`, as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
MAP = ("--task", "koalpaca", "--map", "Q=instruction,A=output")


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def checked(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> Path:
    path = tmp_path / "checked.jsonl"
    assert bitsft("check", csv_cp949, *MAP, "--out", path)[0] == 0
    return path


def test_check_accounts_for_every_row(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "new" / "checked.jsonl"
    status, printed, _ = bitsft("check", csv_cp949, *MAP, "--out", out)
    assert status == 0
    assert printed.startswith("46 rows in, 45 out, 1 rejected (check: output is empty: 1)\n")
    rows = read(out)
    assert rows[0] == {
        "instruction": "수도는 어디인가요?",
        "output": "서울입니다.",
        "task": "koalpaca",
    }
    assert len(rows) == 45
    (rejected,) = read(tmp_path / "new" / "checked.rejected.jsonl")
    assert rejected["source"] == str(csv_cp949)
    assert (rejected["row_number"], rejected["field"], rejected["value"]) == (4, "output", "")


def test_strict_stops_at_the_first_reject(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "checked.jsonl"
    status, _, errors = bitsft("check", csv_cp949, *MAP, "--out", out, "--strict")
    assert status == 1
    assert errors.startswith("bitsft: ") and "row 4" in errors and "'output' is empty" in errors
    assert not out.exists()


def test_lengths_are_bounds(checked: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "short.jsonl"
    status, printed, _ = bitsft("check", checked, "--lengths", "output=1:9", "--out", out)
    assert status == 0
    assert all(len(str(row["output"])) <= 9 for row in read(out))
    assert "output is longer than 9 characters" in printed


def test_a_dry_run_shows_changes_and_writes_nothing(
    checked: Path, tmp_path: Path, bitsft: Run
) -> None:
    before = sorted(tmp_path.iterdir())
    status, printed, _ = bitsft("clean", checked, "--dry-run")
    assert status == 0
    assert "ㅋㅋㅋㅋㅋㅋ" in printed and "[전화번호]" in printed
    assert "010-1234-5678" not in printed, "personal data is not printed"
    assert "45 rows in, 45 out, 0 rejected" in printed
    assert sorted(tmp_path.iterdir()) == before


def test_clean_changes_what_it_is_told(checked: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "clean.jsonl"
    arguments = ("--repeats", 1, "--personal", "all=keep,phone=reject")
    status, printed, _ = bitsft("clean", checked, *arguments, "--out", out)
    assert status == 0
    assert read(out)[1]["output"] == "제주도에 있습니다ㅋ"
    (rejected,) = read(tmp_path / "clean.rejected.jsonl")
    assert "010-1234-5678" not in json.dumps(rejected, ensure_ascii=False)
    assert "1 rejected" in printed


def test_clean_needs_somewhere_to_write(checked: Path, bitsft: Run) -> None:
    status, _, errors = bitsft("clean", checked)
    assert (status, errors) == (
        2,
        "bitsft: give --out FILE, or --dry-run to see what would change\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--personal", "telephone=mask"), "--personal telephone: use all or one of email, "),
        (("--personal", "phone=hide"), "--personal: phone='hide' is not known"),
    ],
)
def test_wrong_settings_are_explained(
    arguments: tuple[str, ...], message: str, checked: Path, bitsft: Run
) -> None:
    status, _, errors = bitsft("clean", checked, "--dry-run", *arguments)
    assert status == 2 and message in errors


def test_dedupe_says_what_each_row_repeats(checked: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "once.jsonl"
    status, printed, _ = bitsft("dedupe", checked, "--out", out)
    assert status == 0
    assert len(read(out)) == 44
    (rejected,) = read(tmp_path / "once.rejected.jsonl")
    assert (rejected["row_number"], rejected["reason"]) == (3, "repeats an earlier row")
    assert str(rejected["detail"]).endswith("row 0")
    assert "1 exact duplicates" in printed


def test_near_duplicates_are_listed_for_review(checked: Path, tmp_path: Path, bitsft: Run) -> None:
    rows = read(checked)
    rows.append({**rows[2], "output": "한글을 만들었습니다!"})
    rows.append({**rows[2], "instruction": "세종대왕은 무엇을 만들었나요??"})
    checked.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    review = tmp_path / "review.jsonl"
    out = tmp_path / "once.jsonl"
    status, printed, _ = bitsft(
        "dedupe", checked, "--near", 0.8, "--processes", 1, "--review", review, "--out", out
    )
    assert status == 0
    assert "2 near ones" in printed
    assert sum("세종대왕" in str(row["instruction"]) for row in read(out)) == 1
    assert len(read(review)) == 3, "the kept row and the two that repeat it"


def test_review_needs_near(checked: Path, tmp_path: Path, bitsft: Run) -> None:
    status, _, errors = bitsft(
        "dedupe", checked, "--review", "r.jsonl", "--out", tmp_path / "o.jsonl"
    )
    assert status == 2 and "--near" in errors


def test_format_writes_what_the_trainer_sees(checked: Path, tmp_path: Path, bitsft: Run) -> None:
    out = tmp_path / "train.jsonl"
    assert bitsft("format", checked, "--out", out)[0] == 0
    row = read(out)[0]
    assert row["prompt"] == "### 질문: 수도는 어디인가요?\n\n### 답변:"
    assert (row["completion"], row["task"]) == (" 서울입니다.", "koalpaca")
    assert bitsft("format", checked, "--messages", "--out", out)[0] == 0
    assert read(out)[0]["completion"] == [{"role": "assistant", "content": "서울입니다."}]


def test_rows_that_name_no_task_need_one(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    status, _, errors = bitsft("check", csv_cp949, "--out", tmp_path / "o.jsonl")
    assert status == 1
    assert "task" in errors


def test_the_missing_option_is_named(csv_cp949: Path, tmp_path: Path, bitsft: Run) -> None:
    out = ("--out", tmp_path / "out.jsonl")
    status, _, errors = bitsft("check", csv_cp949, *out)
    assert status == 1
    assert errors.rstrip().endswith("Name the task of the rows with --task")
    for wrong, message in {
        ("clean", "--repeats", "-1"): "--repeats -1: give 1 or more, or 0 to leave repeats alone",
        ("dedupe", "--drop-conflicts"): "give --by question",
        ("format", "--system", "친절히"): "--system needs --messages",
    }.items():
        verb, *options = wrong
        status, _, errors = bitsft(verb, csv_cp949, *MAP, *options, *out)
        assert status == 2
        assert message in errors


def test_a_tab_is_a_delimiter_as_the_shell_gives_it(tmp_path: Path, bitsft: Run) -> None:
    source = tmp_path / "tab.csv"
    source.write_text("Q\tA\n질문, 하나\t답\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    assert bitsft("check", source, *MAP, "--delimiter", r"\t", "--out", out)[0] == 0
    assert read(out) == [{"instruction": "질문, 하나", "output": "답", "task": "koalpaca"}]
