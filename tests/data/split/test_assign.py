import logging
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.fields import RowError
from bitsft.data.records import Record
from bitsft.data.split.assign import Assigner, assign_splits

# Rows that fill every split, so that the few rows of interest may fall where they will.
FILL = [{"task": "koalpaca", "instruction": f"채움 {n}", "output": "답"} for n in range(80)]


def qa(question: str, context: str, answer: str = "답") -> dict:
    return {"task": "qa", "question": question, "context": context, "answers": [answer]}


def written_differently(text: str, way: int) -> str:
    """The same text, as another source may have it."""
    return [text, unicodedata.normalize("NFD", text), " ".join(text), text.upper()][way]


TEXTS = st.builds(
    written_differently, st.sampled_from(["가a", "나b", "다c", "라d", "마e"]), st.integers(0, 3)
)
ROWS = st.one_of(
    st.builds(qa, TEXTS, TEXTS),
    st.builds(lambda q, a: {"task": "koalpaca", "instruction": q, "output": a}, TEXTS, TEXTS),
    st.builds(
        lambda q, oracle, other: {
            "task": "raft",
            "question": q,
            "context": [other, oracle],
            "oracle_context": oracle,
            "answer": "답",
        },
        TEXTS,
        TEXTS,
        TEXTS,
    ),
    st.builds(
        lambda first, q: {
            "task": "dialogue",
            "messages": [
                {"role": "user", "content": first},
                {"role": "assistant", "content": q},
                {"role": "user", "content": "그래?"},
                {"role": "assistant", "content": "응"},
            ],
        },
        TEXTS,
        TEXTS,
    ),
)


def plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).lower().split())


def question(row: dict) -> str:
    if row["task"] == "dialogue":
        return plain("".join(message["content"] for message in row["messages"][:-1]))
    return plain(row["instruction"] if row["task"] == "koalpaca" else row["question"])


def document(row: dict) -> str | None:
    text = row.get("oracle_context") or (row["context"] if row["task"] == "qa" else None)
    return None if text is None else plain(text)


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=30), st.sampled_from(["hash", "exact"]), st.integers(0, 3))
def test_nothing_leaks(rows: list[dict], method, seed: int) -> None:
    names = list(assign_splits([*rows, *FILL], method=method, seed=seed))[: len(rows)]
    for row, name in zip(rows, names, strict=True):
        for other, other_name in zip(rows, names, strict=True):
            same = question(row) == question(other)
            same |= document(row) is not None and document(row) == document(other)
            assert not same or name == other_name


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=20), st.sampled_from(["hash", "exact"]), st.randoms())
def test_the_order_of_the_rows_plays_no_part(rows: list[dict], method, shuffler) -> None:
    everything = [*rows, *FILL]
    names = list(assign_splits(everything, method=method))
    order = list(range(len(everything)))
    shuffler.shuffle(order)
    assert list(assign_splits([everything[at] for at in order], method=method)) == [
        names[at] for at in order
    ]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=30),
    st.lists(st.tuples(st.integers(0, 14), st.integers(100, 199)), max_size=30),
)
def test_rows_stay_when_questions_and_documents_are_added(known: list, added: list) -> None:
    rows = [qa(f"물음 {d}-{q}", f"문서 {d}") for d, q in known] + FILL
    more = [qa(f"물음 {d}-{q}", f"문서 {d}") for d, q in added]
    before = list(assign_splits(rows))
    assert list(assign_splits([*more, *rows]))[len(more) :] == before


def test_only_a_row_that_joins_two_groups_moves_one_of_them() -> None:
    rows = [qa(f"물음 {n}", f"문서 {n}") for n in range(400)]
    before = list(assign_splits(rows))
    one = before.index("train")
    other = before.index("test")
    after = list(assign_splits([*rows, qa(f"물음 {one}", f"문서 {other}")]))
    moved = [at for at in range(400) if before[at] != after[at]]
    assert len(moved) == 1
    assert moved[0] in (one, other)
    assert after[one] == after[other] == after[400]


def test_group_by() -> None:
    rows = [
        qa("물음 1", "문서 1"),
        qa("물음 1", "문서 2"),
        qa("물음 2", "문서 2"),
        *FILL,
    ]

    def groups(group_by: str | None) -> int:
        return sum(assign_splits(rows, group_by=group_by).report.groups.values()) - len(FILL)

    assert groups("auto") == 1
    assert groups("document") == 2
    assert groups("question") == 2
    assert groups(None) == 3


def test_group_by_document_falls_back_to_the_question() -> None:
    rows = [{"task": "koalpaca", "instruction": "같은 말", "output": str(n)} for n in range(30)]
    names = list(assign_splits([*rows, *FILL], group_by="document"))
    assert len(set(names[:30])) == 1


def test_group_by_a_column_needs_no_task() -> None:
    rows = [{"prompt": f"글 {n}", "film": f"영화 {n % 100}"} for n in range(500)]
    names = list(assign_splits(rows, group_by="film"))
    for n in range(500):
        assert names[n] == names[n % 100]
    with pytest.raises(RowError, match="row 1, field 'film'|field 'film' is missing, and rows are"):
        assign_splits([rows[0], {"prompt": "글"}], group_by="film")


def test_clusters_stay_together() -> None:
    rows = [{"task": "koalpaca", "instruction": f"말 {n}", "output": "답"} for n in range(200)]
    label = {n: n // 2 for n in range(100)}
    done = assign_splits(rows, cluster_of=lambda record: label.get(record.number))
    names = list(done)
    assert all(names[n] == names[n + 1] for n in range(0, 100, 2))
    assert sum(done.report.groups.values()) == 150
    assert done.report.settings["clusters"] is True


def test_another_seed_gives_another_split() -> None:
    assert list(assign_splits(FILL, seed=0)) == list(assign_splits(FILL, seed=0))
    assert list(assign_splits(FILL, seed=0)) != list(assign_splits(FILL, seed=1))


def labelled(n: int, label: object) -> dict:
    return {"task": "classification", "text": f"글 {label} {n}", "label": label}


def test_exact_splits_each_label_by_the_ratios() -> None:
    rows = [
        labelled(n, label) for label, size in (("긍정", 100), ("부정", 30)) for n in range(size)
    ]
    report = assign_splits(rows, method="exact").report
    assert report.strata == {
        "classification: 긍정": {"train": 80, "validation": 10, "test": 10},
        "classification: 부정": {"train": 24, "validation": 3, "test": 3},
    }
    assert report.ratios == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert report.warnings == ()
    by_column = assign_splits(rows, method="exact", stratify_by="label").report
    assert by_column.strata["부정"] == {"train": 24, "validation": 3, "test": 3}
    assert list(assign_splits(rows, stratify_by=None).report.strata) == ["all rows"]


def test_twenty_rows() -> None:
    rows = [labelled(n, 1) for n in range(20)]
    report = assign_splits(rows, method="exact").report
    assert report.rows == {"train": 16, "validation": 2, "test": 2}
    seeds = range(12)
    failures = []
    for seed in seeds:
        try:
            assign_splits(rows, seed=seed)
        except ValueError as error:
            failures.append(str(error))
    assert failures  # an empty split is never handed out in silence
    assert all("would be empty: 20 rows in 20 groups" in text for text in failures)
    assert all("Use method='exact'" in text for text in failures)


def test_too_few_groups() -> None:
    rows = [qa(f"물음 {n}", "한 문서") for n in range(50)]
    for method in ("hash", "exact"):
        with pytest.raises(ValueError, match="50 rows that form 1 groups cannot fill 3 splits"):
            assign_splits(rows, method=method)


def test_warnings_name_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    rows = [qa("무엇이 옳은가?", f"문서 {n}") for n in range(60)] + FILL
    with caplog.at_level(logging.WARNING, logger="bitsft.data.split"):
        report = assign_splits(rows, {"train": 0.5, "test": 0.5}).report
    assert report.largest_group == 60
    assert report.warnings[1] == "test got 97 rows where 70 were wanted"
    assert "the largest group holds 60 of 140 rows, which must stay together" in report.warnings[2]
    assert "the largest group holds 60" in caplog.text
    assert "Warning: test got 97 rows" in str(report)
    lacking = [labelled(n, "흔함") for n in range(300)] + [labelled(n, "드묾") for n in range(10)]
    warnings = [assign_splits(lacking, seed=seed).report.warnings for seed in range(6)]
    assert any("has no rows of classification: 드묾; method='exact'" in str(w) for w in warnings)


def test_str_shows_wanted_and_got() -> None:
    rows = [labelled(n, label) for label in ("긍정", "부정") for n in range(50)]
    assert str(assign_splits(rows, {"train": 0.9, "test": 0.1}, method="exact").report) == (
        "100 rows in 100 groups, the largest of 1; method exact, seed 0\n"
        "  train: 90 rows in 90 groups, 90.00% (wanted 90.00%)\n"
        "  test: 10 rows in 10 groups, 10.00% (wanted 10.00%)\n"
        "  rows wanted -> got, by stratum:\n"
        "    classification: 긍정: 45.0 -> 45, 5.0 -> 5\n"
        "    classification: 부정: 45.0 -> 45, 5.0 -> 5"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "random"}, "method='random' is not known; use 'hash' or 'exact'"),
        ({"seed": "0"}, "seed='0' must be an integer"),
        ({"stratify_by": "topic"}, "stratify_by='topic': no row has a value in this column"),
        ({"ratios": {"train": 0.5, "test": 0.4}}, "add up to 0.9"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        assign_splits(FILL, **options)


def test_rows_of_no_task_and_no_rows() -> None:
    with pytest.raises(ValueError, match=r"a.csv, row 3: .*has no 'task'.* group_by='...'"):
        assign_splits([Record({"prompt": "가"}, "a.csv", 3)])
    with pytest.raises(ValueError, match="there are no rows to split"):
        assign_splits([])


def test_a_stratum_for_each_row_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitsft.data.split.assign._MOST_STRATA", 50)
    with pytest.raises(ValueError, match="row 50 has the 51th value; these are no classes"):
        assign_splits(FILL, stratify_by="instruction")


def test_rows_without_a_label_are_a_stratum_of_their_own() -> None:
    rows = [{**row, "topic": "여행" if n % 2 else None} for n, row in enumerate(FILL)]
    assert list(assign_splits(rows, stratify_by="topic").report.strata) == ["(none)", "여행"]


def test_a_column_to_group_by_that_no_row_has() -> None:
    assigner = Assigner(
        {"train": 0.5, "test": 0.5},
        group_by="film",
        stratify_by=None,
        seed=0,
        method="hash",
        cluster_of=None,
    )
    for row in ({"prompt": "가"}, {"prompt": "나", "topic": "여행"}):
        with pytest.raises(RowError, match="is missing, and rows are grouped by it"):
            assigner.add(Record(row, "a.csv", 0))
    with pytest.raises(
        ValueError,
        match=r"group_by='film': no row has a value in this column; the rows have \['prompt', 'topic'\]",
    ):
        assigner.done()
