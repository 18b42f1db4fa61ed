from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from bitsft.data.common.normal_form import normal_form
from bitsft.data.fields import RowError
from bitsft.data.format.raft import format_raft
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder.tokens import TokenCounter
from bitsft.data.raft_builder.trim import trim_records, trim_to_tokens

ORACLE = "서울은 대한민국의 수도이다. 한강이 흐른다."
DISTRACTORS = [
    "부산은 항구이다. 바다가 있다. 배가 많다.",
    "대구는 덥다. 사과가 난다.",
    "광주는 빛고을이다.",
]
ROW = {
    "task": "raft",
    "question": "수도는 어디인가?",
    "context": [DISTRACTORS[0], ORACLE, DISTRACTORS[1], DISTRACTORS[2]],
    "answer": "서울",
    "cot": "##begin_quote##수도이다.##end_quote## 라고 한다.",
    "oracle_context": ORACLE,
}


def tokens(tokenizer: PreTrainedTokenizerFast, row: dict[str, Any]) -> int:
    return TokenCounter(tokenizer, format_raft).of_row(row)


def trim(
    tokenizer: PreTrainedTokenizerFast, most: int, row: dict[str, Any] = ROW, **options: Any
) -> dict[str, Any]:
    return trim_to_tokens(row, tokenizer, most, render=format_raft, **options)


@pytest.mark.parametrize("cut", ["documents", "sentences"])
def test_a_row_that_fits_stays(tiny_tokenizer: PreTrainedTokenizerFast, cut: str) -> None:
    assert trim(tiny_tokenizer, tokens(tiny_tokenizer, ROW), cut=cut) == ROW


def test_whole_distractors_are_left_out(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    most = tokens(tiny_tokenizer, ROW) - 1
    trimmed = trim(tiny_tokenizer, most)
    assert len(trimmed["context"]) == 3
    assert ORACLE in trimmed["context"]
    assert [text for text in ROW["context"] if text in trimmed["context"]] == trimmed["context"]
    assert {**trimmed, "context": ROW["context"]} == ROW
    assert tokens(tiny_tokenizer, trimmed) <= most


def test_sentences_go_from_the_longest_distractor(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    most = tokens(tiny_tokenizer, ROW) - 1
    trimmed = trim(tiny_tokenizer, most, cut="sentences")
    assert trimmed["context"] == ["부산은 항구이다. 바다가 있다.", *ROW["context"][1:]]


def test_the_oracle_alone_may_remain(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    bare = {**ROW, "context": [ORACLE]}
    most = tokens(tiny_tokenizer, bare)
    for cut in ("documents", "sentences"):
        assert trim(tiny_tokenizer, most, cut=cut) == bare
        with pytest.raises(RowError, match="is too long even with as few distractors"):
            trim(tiny_tokenizer, most - 1, cut=cut)
        with pytest.raises(RowError, match=f"max_tokens={most}"):
            trim(tiny_tokenizer, most, cut=cut, min_distractors=3)


def test_a_row_without_its_oracle_keeps_a_document(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    absent = {**ROW, "context": DISTRACTORS}
    one = max(tokens(tiny_tokenizer, {**ROW, "context": [text]}) for text in DISTRACTORS)
    assert len(trim(tiny_tokenizer, one, absent)["context"]) == 1
    with pytest.raises(RowError, match="is too long"):
        trim(tiny_tokenizer, 10, absent)


def test_what_is_left_of_a_distractor_is_not_a_part_of_another(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    row = {**ROW, "context": [ORACLE, "한강이 흐른다. 그리고 바다로 간다."]}
    trimmed = trim(tiny_tokenizer, tokens(tiny_tokenizer, row) - 1, row, cut="sentences")
    assert trimmed["context"] == [ORACLE]


def test_every_distractor_goes_first_sometimes(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    gone: Counter[str] = Counter()
    for number in range(60):
        row = {**ROW, "question": f"{number:02} 수도는?"}
        trimmed = trim(tiny_tokenizer, tokens(tiny_tokenizer, row) - 1, row)
        gone.update(set(row["context"]) - set(trimmed["context"]))
    assert set(gone) == set(DISTRACTORS)
    assert min(gone.values()) > 8


def test_oracle_unknown(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    row = {name: value for name, value in ROW.items() if name != "oracle_context"}
    assert trim(tiny_tokenizer, 10_000, row) == row
    with pytest.raises(RowError, match="'oracle_context' is missing in a row that is too long"):
        trim(tiny_tokenizer, 50, row)


def test_stage(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    other = {"task": "koalpaca", "instruction": "가" * 500, "output": "나"}
    ledger = Ledger()
    most = tokens(tiny_tokenizer, ROW) - 1
    rows = [ROW, other, {**ROW, "answer": "서울" * 500}]
    made = list(
        trim_records(rows, tiny_tokenizer, most, ledger=ledger, render=format_raft, cut="sentences")
    )
    assert [record.number for record in made] == [0, 1]
    assert made[1].values == other
    assert ROW["context"][0] == DISTRACTORS[0]
    assert ledger.changes["raft_builder", "distractors cut"].rows == 1
    assert ("raft_builder", "distractors left out") not in ledger.changes
    (rejected,) = ledger.rejected_rows
    assert (rejected.row_number, rejected.field) == (2, "context")
    ledger.count_out(2)
    ledger.check_balance()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cut": "words"}, "cut='words'"), ({"min_distractors": -1}, "min_distractors=-1")],
)
def test_senseless_options(
    tiny_tokenizer: PreTrainedTokenizerFast, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trim(tiny_tokenizer, 100, **options)
    with pytest.raises(ValueError, match="max_tokens=0"):
        trim(tiny_tokenizer, 0)


SENTENCES = st.lists(st.sampled_from(DISTRACTORS[0].split(". ")), min_size=1, max_size=5)
DOCUMENT = st.builds(
    lambda name, parts: f"{name} " + ". ".join(parts) + ".", st.sampled_from("ABCDEF"), SENTENCES
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(DOCUMENT, min_size=1, max_size=5, unique=True),
    st.booleans(),
    st.integers(60, 300),
    st.sampled_from(["documents", "sentences"]),
    st.integers(0, 2),
)
def test_trimmed_rows_fit_and_keep_what_counts(
    tiny_tokenizer: PreTrainedTokenizerFast,
    documents: list[str],
    has_oracle: bool,
    most: int,
    cut: str,
    least: int,
) -> None:
    row = {**ROW, "context": documents + [ORACLE] * has_oracle}
    try:
        trimmed = trim(tiny_tokenizer, most, row, cut=cut, min_distractors=least)
    except RowError:
        return
    assert tokens(tiny_tokenizer, trimmed) <= most
    assert (ORACLE in trimmed["context"]) == has_oracle
    assert {**trimmed, "context": 0} == {**row, "context": 0}
    left = [text for text in trimmed["context"] if text != ORACLE]
    assert left or has_oracle
    assert len(left) >= min(least, len(documents))
    assert all(any(whole.startswith(text) for whole in documents) for text in left)
    if cut == "documents":
        assert set(left) <= set(documents)
    assert not any(normal_form(text) in normal_form(ORACLE) for text in left)
