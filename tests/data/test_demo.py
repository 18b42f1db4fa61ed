"""The demo's rows: counted, well formed, and nothing that is asked at the end is taught before."""

import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from bitsft.data import format_koalpaca, format_raft
from bitsft.data.demo import SPLITS, load_demo_rows
from bitsft.data.format import format_classification

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "data" / "demo_reviews.py"
ROWS = {split: load_demo_rows(split) for split in SPLITS}
RAFT = [split for split in SPLITS if split.endswith("_raft")]
KOALPACA = [split for split in SPLITS if split.endswith("_koalpaca")]
REVIEWS = [split for split in SPLITS if split.endswith("_classification")]
HELD_OUT = [split for split in (*RAFT, *KOALPACA) if split.startswith("other_")]
FORMATTERS = {
    "raft": (format_raft, "answer"),
    "koalpaca": (format_koalpaca, "output"),
    "classification": (format_classification, "label"),
}


def normalized(text: str) -> str:
    """Compare texts by their letters and digits alone."""
    return "".join(re.findall(r"\w+", unicodedata.normalize("NFC", text))).lower()


def question(row: dict[str, Any]) -> str:
    return row["question"] if "question" in row else row["instruction"]


def documents(split: str) -> set[str]:
    return {normalized(text) for row in ROWS[split] for text in row["context"]}


def subject(document: str) -> str:
    """What a document is about: its first words up to the first particle."""
    return re.split(r"(?:은|는|의|이|에) ", document, maxsplit=1)[0]


def test_the_splits_hold_these_many_rows() -> None:
    assert {split: len(rows) for split, rows in ROWS.items()} == {
        "train_raft": 549,
        "train_koalpaca": 423,
        "other_wordings_raft": 63,
        "other_wordings_koalpaca": 63,
        "other_documents_raft": 78,
        "other_invented_raft": 60,
        "train_classification": 3600,
        "other_classification": 400,
    }


def test_the_documents_are_these_many() -> None:
    assert len({row["oracle_context"] for row in ROWS["train_raft"]}) == 71 + 360
    assert len({row["oracle_context"] for row in ROWS["other_documents_raft"]}) == 29
    assert len({row["oracle_context"] for row in ROWS["other_invented_raft"]}) == 20
    assert sum("cot" in row for row in ROWS["train_raft"]) == 55


def test_the_first_rows_read_as_written() -> None:
    first = ROWS["train_raft"][0]
    assert first["question"] == "프랑스는 어느 대륙의 나라인가요?"
    assert first["answer"] == "유럽에 있습니다."
    assert ROWS["train_koalpaca"][-1]["output"] == "화폐는 물건을 사고팔 때 쓰는 돈입니다."


def test_a_row_has_the_fields_of_its_shape_and_no_others() -> None:
    raft = {"id", "question", "context", "oracle_context", "answer"}
    for split in RAFT:
        assert all(set(row) - {"cot"} == raft for row in ROWS[split]), split
    for split in KOALPACA:
        assert all(set(row) == {"id", "instruction", "output"} for row in ROWS[split]), split
    for split in REVIEWS:
        assert all(set(row) == {"text", "label"} for row in ROWS[split]), split


def test_ids_are_unique_over_all_splits() -> None:
    ids = [row["id"] for split in (*RAFT, *KOALPACA) for row in ROWS[split]]
    assert len(set(ids)) == len(ids) == 1236


@pytest.mark.parametrize("split", SPLITS)
def test_the_files_are_nfc_without_stray_spaces(split: str) -> None:
    text = files("bitsft.data.demo").joinpath(f"{split}.jsonl").read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    assert text.endswith("}\n")
    assert "  " not in text and "\t" not in text and "\\u" not in text and "\r" not in text


@pytest.mark.parametrize("held_out", HELD_OUT)
def test_no_held_out_question_is_in_training(held_out: str) -> None:
    taught = {normalized(question(r)) for s in ("train_raft", "train_koalpaca") for r in ROWS[s]}
    asked = {normalized(question(row)) for row in ROWS[held_out]}
    assert asked & taught == set()


@pytest.mark.parametrize("split", ["other_documents_raft", "other_invented_raft"])
def test_no_other_document_is_in_training(split: str) -> None:
    taught = {text for row in ROWS["train_raft"] for text in row["context"]}
    other = {text for row in ROWS[split] for text in row["context"]}
    assert {normalized(text) for text in other} & {normalized(text) for text in taught} == set()
    assert {subject(text) for text in other} & {subject(text) for text in taught} == set()


def test_other_wordings_ask_for_taught_facts_only() -> None:
    facts = {(row["oracle_context"], row["answer"]) for row in ROWS["train_raft"]}
    asked = {(row["oracle_context"], row["answer"]) for row in ROWS["other_wordings_raft"]}
    assert asked <= facts
    assert documents("other_wordings_raft") <= documents("train_raft")
    outputs = {row["output"] for row in ROWS["train_koalpaca"]}
    assert {row["output"] for row in ROWS["other_wordings_koalpaca"]} <= outputs


@pytest.mark.parametrize("split", RAFT)
def test_the_answer_stands_in_the_oracle_and_the_oracle_once_in_the_context(split: str) -> None:
    for row in ROWS[split]:
        assert row["answer"] in row["oracle_context"], row["id"]
        assert row["context"].count(row["oracle_context"]) == 1, row["id"]
        distractors = [text for text in row["context"] if text != row["oracle_context"]]
        assert len(distractors) == len(set(distractors)) in (1, 2), row["id"]


def test_the_oracle_stands_in_every_place() -> None:
    places = [row["context"].index(row["oracle_context"]) for row in ROWS["train_raft"]]
    assert min(places.count(0), places.count(1)) > 100
    assert places.count(2) > 20


def test_invented_documents_say_so_and_are_named_so() -> None:
    for split in RAFT:
        for row in ROWS[split]:
            said = re.search("가상의 (마을|나라)입니다", row["oracle_context"]) is not None
            assert said == ("-invented-" in row["id"]), row["id"]


@pytest.mark.parametrize("split", SPLITS)
def test_the_formatters_take_every_row(split: str) -> None:
    format_row, answer = FORMATTERS[split.rpartition("_")[2]]
    for number, row in enumerate(ROWS[split]):
        assert str(format_row(row, number)["completion"]).endswith(row[answer])


def test_an_invented_document_is_asked_about_once_in_training() -> None:
    invented = [row for row in ROWS["train_raft"] if "-invented-" in row["id"]]
    assert len(invented) == len({row["oracle_context"] for row in invented}) == 360
    without_name = [row for row in invented if re.search("이 (마을|나라)", row["question"])]
    assert len(without_name) == 169


def test_half_of_the_reviews_are_positive() -> None:
    for split, half in (("train_classification", 1800), ("other_classification", 200)):
        labels = Counter(row["label"] for row in ROWS[split])
        assert labels == {"긍정": half, "부정": half}, split
        # in no order of labels: whoever takes the first rows gets both
        assert 35 < [row["label"] for row in ROWS[split][:100]].count("긍정") < 65, split


def test_reviews_are_short_korean_lines() -> None:
    for split in REVIEWS:
        for row in ROWS[split]:
            text = row["text"]
            assert 10 <= len(text) <= 60 and "\n" not in text and text == text.strip(), text
            assert len(re.findall("[가-힣 ]", text)) >= 0.75 * len(text), text
            assert not re.search("씨발|ㅅㅂ|병신|새끼|쓰레기|존나|지랄", normalized(text)), text


def test_no_review_is_there_twice_or_on_both_sides() -> None:
    texts = [normalized(row["text"]) for split in REVIEWS for row in ROWS[split]]
    assert len(set(texts)) == len(texts) == 4000


def test_how_the_sample_is_made(tmp_path: Path) -> None:
    """Too short, unfit (also with dots between), Latin, read by the model, held out already: none of these is taken."""
    held_out = [("정말 재미있는 영화였어요", 1), ("시간이 아까운 영화였어요", 0), ("짧다", 1)]
    train = [
        ("정말 재미있는 영화였어요!", 1),
        ("ㅅ.ㅂ 무슨 영화가 이런지", 0),
        ("What a film, 좋아요", 1),
        ("많이들 그렇게 썼던 한마디", 1),
        ("또 보고   싶은 영화입니다ㅋㅋㅋㅋㅋㅋ", 1),
        ("두 번은 못 볼 영화입니다", 0),
    ]
    for name, rows in (("test", held_out), ("train", train)):
        lines = [json.dumps({"document": text, "label": label}) + "\n" for text, label in rows]
        (tmp_path / f"sentiment_{name}.jsonl").write_text("".join(lines), "utf-8")
    read = Dataset.from_dict({"document": ["많이들 그렇게 썼던 한마디.", None]})
    read.to_parquet(str(tmp_path / "reviews.parquet"))
    command = [sys.executable, str(SCRIPT), "--nsmc", str(tmp_path), "--out", str(tmp_path)]
    subprocess.run([*command, "--train", "1", "--held-out", "1"], check=True)

    def sample(split: str) -> set[tuple[str, str]]:
        lines = (tmp_path / f"{split}.jsonl").read_text("utf-8").splitlines()
        return {(row["text"], row["label"]) for row in map(json.loads, lines)}

    assert sample("other_classification") == {(held_out[0][0], "긍정"), (held_out[1][0], "부정")}
    assert sample("train_classification") == {
        ("또 보고 싶은 영화입니다ㅋㅋㅋ", "긍정"),
        ("두 번은 못 볼 영화입니다", "부정"),
    }
    more = subprocess.run([*command, "--train", "2"], capture_output=True, text=True)
    assert more.returncode == 1
    assert "too few reviews: {'부정': 199, '긍정': 199} are missing" in more.stderr


def test_the_reviews_take_little_room() -> None:
    sizes = [files("bitsft.data.demo").joinpath(f"{split}.jsonl").read_bytes() for split in REVIEWS]
    assert sum(map(len, sizes)) < 400 * 1024


def test_a_caller_may_change_the_rows() -> None:
    load_demo_rows("train_raft")[0]["question"] = "?"
    assert load_demo_rows("train_raft")[0]["question"] != "?"


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"split='test' is not known; use one of \['train_raft'"):
        load_demo_rows("test")
