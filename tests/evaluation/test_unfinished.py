"""UnfinishedAnswers: what survives a kill at any byte, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitsft.evaluation.answers import Answer
from bitsft.evaluation.unfinished import UnfinishedAnswers

BATCHES = [[3, 1], [0], [2, 4]]
TERMS = {"data": "abc", "decoding": "greedy", "labels": ["긍정", "부정"]}


def answer(row: int) -> Answer:
    return Answer(row, f"질문 {row}", "답", "예측\u2028\n끝", 3, True)


def write_all(path: Path) -> bytes:
    with UnfinishedAnswers(path, TERMS, BATCHES) as store:
        for batch in BATCHES:
            store.add([answer(row) for row in batch])
    return path.read_bytes()


def test_answers_come_back(tmp_path: Path) -> None:
    write_all(tmp_path / "part")
    store = UnfinishedAnswers(tmp_path / "part", TERMS, BATCHES)
    assert store.resumed == 5
    assert store.answers == {row: answer(row) for row in range(5)}


@given(share=st.floats(0, 1))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_cut_at_any_byte_ends_with_the_same_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "part"
    path.unlink(missing_ok=True)
    whole = write_all(path)
    path.write_bytes(whole[: int(share * len(whole))])
    with UnfinishedAnswers(path, TERMS, BATCHES) as store:
        done = [all(row in store.answers for row in batch) for batch in BATCHES]
        # whole batches only, and none after one that is missing
        assert store.resumed == sum(
            len(b) for b, is_done in zip(BATCHES, done, strict=True) if is_done
        )
        assert done == sorted(done, reverse=True)
        for batch, is_done in zip(BATCHES, done, strict=True):
            if not is_done:
                store.add([answer(row) for row in batch])
    assert path.read_bytes() == whole


def test_other_terms_are_refused_with_the_difference(tmp_path: Path) -> None:
    write_all(tmp_path / "part")
    other = {**TERMS, "decoding": "sampling"}
    with pytest.raises(ValueError, match='decoding was "greedy" and is "sampling" now') as error:
        UnfinishedAnswers(tmp_path / "part", other, BATCHES)
    assert "--overwrite" in str(error.value)


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    lines = write_all(tmp_path / "part").splitlines(keepends=True)
    lines[2] = b'{"row": 1\n'
    (tmp_path / "part").write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match="line 3: is no answer"):
        UnfinishedAnswers(tmp_path / "part", TERMS, BATCHES)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("row,answer\n1,2\n")
    with pytest.raises(ValueError, match="does not begin as a file of unfinished answers does"):
        UnfinishedAnswers(tmp_path / "part", TERMS, BATCHES)
    assert (tmp_path / "part").read_text() == "row,answer\n1,2\n"
