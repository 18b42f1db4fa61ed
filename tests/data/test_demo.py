"""The demo's rows: counted, well formed, and nothing that is asked at the end is taught before."""

import re
import unicodedata
from importlib.resources import files
from typing import Any

import pytest

from bitsft.data import format_koalpaca, format_raft
from bitsft.data.demo import SPLITS, load_demo_rows

ROWS = {split: load_demo_rows(split) for split in SPLITS}
RAFT = [split for split in SPLITS if split.endswith("_raft")]
KOALPACA = [split for split in SPLITS if split.endswith("_koalpaca")]
HELD_OUT = [split for split in SPLITS if split.startswith("other_")]


def normalized(text: str) -> str:
    """Compare texts by their letters and digits alone."""
    return "".join(re.findall(r"\w+", unicodedata.normalize("NFC", text))).lower()


def question(row: dict[str, Any]) -> str:
    return row["question"] if "question" in row else row["instruction"]


def documents(split: str) -> set[str]:
    return {normalized(text) for row in ROWS[split] for text in row["context"]}


def subject(row: dict[str, Any]) -> str:
    """What the oracle is about: the first word, without its particle."""
    return row["oracle_context"].split()[0][:-1]


def test_the_splits_hold_these_many_rows() -> None:
    assert {split: len(rows) for split, rows in ROWS.items()} == {
        "train_raft": 380,
        "train_koalpaca": 170,
        "other_wordings_raft": 71,
        "other_wordings_koalpaca": 42,
        "other_documents_raft": 90,
    }


def test_the_documents_are_these_many() -> None:
    assert len({row["oracle_context"] for row in ROWS["train_raft"]}) == 79
    assert len({row["oracle_context"] for row in ROWS["other_documents_raft"]}) == 33
    assert sum("cot" in row for row in ROWS["train_raft"]) == 38


def test_the_first_rows_read_as_written() -> None:
    first = ROWS["train_raft"][0]
    assert first["question"] == "프랑스는 어느 대륙의 나라인가요?"
    assert first["answer"] == "프랑스는 유럽에 있는 나라입니다."
    assert ROWS["train_koalpaca"][-1]["output"] == "화폐는 물건을 사고팔 때 쓰는 돈입니다."


def test_a_row_has_the_fields_of_its_shape_and_no_others() -> None:
    raft = {"id", "question", "context", "oracle_context", "answer"}
    for split in RAFT:
        assert all(set(row) - {"cot"} == raft for row in ROWS[split]), split
    for split in KOALPACA:
        assert all(set(row) == {"id", "instruction", "output"} for row in ROWS[split]), split


def test_ids_are_unique_over_all_splits() -> None:
    ids = [row["id"] for rows in ROWS.values() for row in rows]
    assert len(set(ids)) == len(ids) == 753


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


def test_no_other_document_is_in_training() -> None:
    taught = documents("train_raft")
    assert documents("other_documents_raft") & taught == set()
    assert documents("other_wordings_raft") <= taught


def test_the_subjects_and_answers_of_other_documents_are_in_no_training_row() -> None:
    other = ROWS["other_documents_raft"]
    train = ROWS["train_raft"]
    assert {subject(row) for row in other} & {subject(row) for row in train} == set()
    taught = {row["answer"] for row in train} | {row["output"] for row in ROWS["train_koalpaca"]}
    assert {row["answer"] for row in other} & taught == set()


def test_other_wordings_ask_for_taught_answers_only() -> None:
    raft = {row["answer"] for row in ROWS["train_raft"]}
    assert {row["answer"] for row in ROWS["other_wordings_raft"]} <= raft
    koalpaca = {row["output"] for row in ROWS["train_koalpaca"]}
    assert {row["output"] for row in ROWS["other_wordings_koalpaca"]} <= koalpaca


@pytest.mark.parametrize("split", RAFT)
def test_the_answer_is_a_sentence_of_the_oracle_alone(split: str) -> None:
    for row in ROWS[split]:
        assert row["answer"] in row["oracle_context"], row["id"]
        assert row["context"].count(row["oracle_context"]) == 1, row["id"]
        distractors = [text for text in row["context"] if text != row["oracle_context"]]
        assert len(distractors) == len(set(distractors)) in (1, 2), row["id"]
        assert not any(row["answer"] in text for text in distractors), row["id"]


def test_the_oracle_stands_in_every_place() -> None:
    places = [row["context"].index(row["oracle_context"]) for row in ROWS["train_raft"]]
    assert min(places.count(0), places.count(1)) > 100
    assert places.count(2) > 20


def test_invented_villages_say_so_and_are_named_so() -> None:
    for split in RAFT:
        for row in ROWS[split]:
            said = "가상의 마을입니다" in row["oracle_context"]
            assert said == ("-invented-" in row["id"]), row["id"]


@pytest.mark.parametrize("split", SPLITS)
def test_the_formatters_take_every_row(split: str) -> None:
    format_row = format_raft if split in RAFT else format_koalpaca
    for number, row in enumerate(ROWS[split]):
        formatted = format_row(row, number)
        assert formatted["completion"].endswith(row["answer" if split in RAFT else "output"])


def test_a_caller_may_change_the_rows() -> None:
    load_demo_rows("train_raft")[0]["question"] = "?"
    assert load_demo_rows("train_raft")[0]["question"] != "?"


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"split='test' is not known; use one of \['train_raft'"):
        load_demo_rows("test")
