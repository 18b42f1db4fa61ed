"""What must hold of every RAFT set, whatever the documents and the questions are."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.common.answers import Answers
from bitsft.data.common.normal_form import normal_form
from bitsft.data.ledger import Ledger
from bitsft.data.raft_builder import RaftCounts, build_raft

# Few letters, so that copies, parts of each other and answers in the wrong place do occur.
LETTERS = st.sampled_from(
    ["가", "나", "다", "라", "마바", " ", "\n", "가", "K", "k", "3", ".", "😀"]
)
TEXT = st.lists(LETTERS, min_size=1, max_size=12).map("".join)
ROW = st.fixed_dictionaries({"question": TEXT, "context": TEXT, "answer": TEXT})
DOCUMENTS = st.lists(TEXT, max_size=25)
OPTIONS = st.fixed_dictionaries(
    {
        "distractors": st.integers(0, 4),
        "p": st.sampled_from([0.0, 0.5, 1.0]),
        "hard": st.sampled_from([0.0, 0.5, 1.0]),
        "seed": st.integers(0, 3),
        "missing_oracle": st.sampled_from(["answer", "refuse"]),
        "too_few": st.sampled_from(["reject", "fewer"]),
        "near_copy": st.sampled_from([0.7, 1.0]),
        "chunk_size": st.sampled_from([None, 5, 20]),
    }
)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.lists(ROW, max_size=8), OPTIONS)
def test_invariants(
    documents: list[str], rows: list[dict[str, str]], options: dict[str, Any]
) -> None:
    ledger, counts = Ledger(), RaftCounts()
    made = list(build_raft(documents, rows, ledger=ledger, counts=counts, **options))
    ledger.count_out(len(made))
    ledger.check_balance()
    k = options["distractors"]
    with_oracle = 0
    for record in made:
        row, given_row = record.values, rows[record.number]
        oracle = normal_form(row["oracle_context"])
        assert oracle in normal_form(given_row["context"])
        context = [normal_form(text) for text in row["context"]]
        assert len(set(context)) == len(context)
        has_oracle = oracle in context
        with_oracle += has_oracle
        if options["p"] in (0.0, 1.0):
            assert has_oracle == (options["p"] == 1.0)
        distractors = [text for text in context if text != oracle]
        wanted = k if has_oracle else k + 1
        assert len(distractors) == wanted or (
            options["too_few"] == "fewer" and len(distractors) < wanted and context
        )
        for text in distractors:
            assert text not in oracle
            assert oracle not in text
            assert sum(text in other for other in context) == 1
        answers = Answers([given_row["answer"]])
        shown = [text for text in row["context"] if normal_form(text) != oracle]
        assert not any(answers.within(text) for text in shown)
        refused = options["missing_oracle"] == "refuse" and not has_oracle
        assert (row["answer"] == given_row["answer"].strip()) != refused
    assert counts.with_oracle == with_oracle
    again = build_raft(documents, rows, ledger=Ledger(), **options)
    assert [record.values for record in again] == [record.values for record in made]


@settings(max_examples=100, deadline=None)
@given(
    DOCUMENTS, st.lists(ROW, min_size=1, max_size=6), st.lists(ROW, max_size=3), st.integers(0, 3)
)
def test_added_rows_do_not_change_who_has_an_oracle(
    documents: list[str], rows: list[dict[str, str]], added: list[dict[str, str]], seed: int
) -> None:
    def with_oracle(all_rows: list[dict[str, str]]) -> dict[tuple[str, ...], set[bool]]:
        found: dict[tuple[str, ...], set[bool]] = {}
        made = build_raft(documents, all_rows, ledger=Ledger(), p=0.5, too_few="fewer", seed=seed)
        for record in made:
            values = record.values
            has = normal_form(values["oracle_context"]) in map(normal_form, values["context"])
            found.setdefault(tuple(all_rows[record.number].values()), set()).add(has)
        return found

    before, after = with_oracle(rows), with_oracle(added + rows)
    assert all(after[row] == has for row, has in before.items() if row in after)


def test_a_long_answer_is_never_in_a_distractor() -> None:
    # Of two characters and more the rule is the plain one: nowhere in the normal form.
    documents = [f"{a}{b} {c}나무" for a in "가나다" for b in "라마바" for c in "사아자"]
    rows = [
        {"question": f"{a}?", "context": "본문", "answer": f"{a}{b}"}
        for a in "가나다"
        for b in "라마바"
    ]
    made = list(build_raft(documents, rows, ledger=Ledger(), p=0.5, near_copy=1.0))
    assert len(made) == 9
    for record in made:
        assert not any(record.values["answer"] in text for text in record.values["context"])
