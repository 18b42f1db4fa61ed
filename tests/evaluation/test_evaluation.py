"""Evaluation: what its folder holds, what comes back, and its table."""

import json
import math
from pathlib import Path

import pytest

from bitsft.evaluation import Answer, Evaluation, load_evaluation, score_answers
from bitsft.evaluation.answers import read_answers, write_answers
from bitsft.evaluation.evaluation import intervals
from bitsft.evaluation.held_out import HeldOut
from bitsft.evaluation.table import evaluation_table

ANSWERS = tuple(
    Answer(row, f"질문 {row}", reference, said, 3, True, task)
    for row, (said, reference, task) in enumerate(
        [
            ("서울입니다", "서울입니다", "qa"),
            ("부산입니다", "대구입니다", "qa"),
            ("바다", "산", "koalpaca"),
            ("산", "산", "koalpaca"),
        ]
    )
)
HELD = HeldOut((16, 8), (4, 2), (8.0, 6.0), {"bits_per_byte": "a:1", "perplexity": "b:2"})


@pytest.fixture
def evaluation() -> Evaluation:
    settings = {"kind": "ternary", "metric_tokenizer": "char", "metrics": ["chrf", "exact_match"]}
    scores = score_answers(ANSWERS, tokenizer="char", metrics=["chrf", "exact_match"])
    scores["held_out"] = HELD.scores
    data = {"name": "rows.jsonl", "sha256": "abc", "rows": 4, "rows_rejected": 2, "split": "test"}
    work = {"tokens": 12, "seconds": 0.5, "tokens_per_second": 24.0, "padding_share": 0.01}
    return Evaluation(
        "out/model", ANSWERS, scores, "max_new_tokens:5", data, settings, None, work, HELD
    )


def test_comes_back_as_it_was(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path / "out")
    found = load_evaluation(tmp_path / "out")
    assert found.folder == tmp_path / "out"
    for name in ("model", "answers", "scores", "decoding", "data", "settings", "generation"):
        assert getattr(found, name) == getattr(evaluation, name), name
    assert found.held_out == HELD
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "held_out.jsonl",
        "predictions.jsonl",
        "scores.json",
    ]


def test_half_of_a_surrogate_pair_comes_back_from_the_file(tmp_path: Path) -> None:
    answer = Answer(0, "질문 \ud83d", "답", "\udc00 말", 1, True)
    write_answers([answer], tmp_path / "predictions.jsonl")
    assert read_answers(tmp_path / "predictions.jsonl") == [answer]


def test_scores_json(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path)
    stored = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert stored["form"] == 1 and stored["model"] == "out/model"
    assert list(stored["scores"]) == ["all", "qa", "koalpaca", "held_out"]
    score = stored["scores"]["all"]["exact_match"]
    low, high = evaluation.scores["all"]["exact_match"].interval()
    assert score == {
        "value": 0.5,
        "low": low,
        "high": high,
        "signature": evaluation.scores["all"]["exact_match"].signature,
        "goal": "higher",
        "rows": 4,
    }
    assert stored["scores"]["qa"]["chrf"]["rows"] == 2
    # 14 nats over 24 bytes; exp(14 / 6)
    assert stored["scores"]["held_out"]["bits_per_byte"]["value"] == pytest.approx(
        0.841572, abs=1e-6
    )
    assert stored["scores"]["held_out"]["perplexity"]["value"] == pytest.approx(10.312259, abs=1e-5)
    assert stored["scores"]["held_out"]["perplexity"]["rows"] == 2


def test_rows_of_a_key(evaluation: Evaluation) -> None:
    assert evaluation.rows_of("all") == [0, 1, 2, 3]
    assert evaluation.rows_of("koalpaca") == [2, 3]
    assert evaluation.rows_of("held_out") == []


def test_intervals_are_those_of_each_score(evaluation: Evaluation) -> None:
    for scores in evaluation.scores.values():
        for name, ends in intervals(scores).items():
            assert ends == scores[name].interval()


def test_what_is_no_evaluation(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no evaluation was finished there"):
        load_evaluation(tmp_path)
    evaluation.save(tmp_path)
    path = tmp_path / "scores.json"
    whole = path.read_text("utf-8")
    for text, message in (
        (whole[:100], "is damaged"),
        (whole.replace('"form": 1', '"form": 9'), "of the form 1"),
        (whole.replace('"decoding"', '"other"'), "lacks decoding"),
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=message):
            load_evaluation(tmp_path)


def test_an_embedder_that_was_a_function_has_to_be_passed(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    evaluation.settings["embedder"] = "function:mine"
    evaluation.save(tmp_path)
    with pytest.raises(ValueError, match="its cosine similarity is by mine"):
        load_evaluation(tmp_path)
    assert load_evaluation(tmp_path, rescore=False).scores == {}


def test_an_embedder_that_is_gone_is_not_looked_for_on_the_hub(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    evaluation.settings["embedder"] = str(tmp_path / "embedder")
    evaluation.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not there any more. Name where it.*--embedder"):
        load_evaluation(tmp_path)


def test_the_table(evaluation: Evaluation) -> None:
    lines = evaluation_table(evaluation).splitlines()
    assert lines[:4] == [
        "out/model: ternary",
        "rows.jsonl: 4 rows of the split test; 2 rejected",
        "decoding: max_new_tokens:5",
        "generation: 12 tokens in 0.5 s, 24 tokens/s, 1.0% of the prompts' places padding",
    ]
    assert "all (4 rows)" in lines and "held_out (2 texts)" in lines
    low, high = evaluation.scores["all"]["exact_match"].interval()
    row = next(line for line in lines if line.startswith("  exact_match"))
    assert "0.5000" in row and f"[{low:.4f}, {high:.4f}]" in row
    assert row.endswith("higher is better")
    assert "  fewer than 30 rows: the intervals are too narrow" in lines


def test_rows_without_a_quote_are_not_among_those_of_a_score_of_quotes(tmp_path: Path) -> None:
    source = {"question": "수도는?", "context": ["수도는 서울이다."], "answer": "서울"}
    source["oracle_context"] = "수도는 서울이다."
    quoting = "##begin_quote##수도는 서울이다.##end_quote## ##Answer: 서울"
    answers = tuple(
        Answer(row, "수도는?", "서울", said, 3, True, "raft", source=source)
        for row, said in enumerate([quoting, "##Answer: 서울", "서울"])
    )
    scores = score_answers(answers, tokenizer="char", metrics=["raft"])
    stored = Evaluation("m", answers, scores, "", {"rows": 3}).as_dict()["scores"]["raft"]
    assert stored["raft_answer_correct"]["rows"] == 3
    assert stored["raft_quotes_verbatim"]["rows"] == 1


@pytest.mark.parametrize("nats", [8000.0, math.inf])  # exp(8006 / 6) is above the largest float64
def test_a_perplexity_without_end_is_null(nats: float, tmp_path: Path) -> None:
    held = HeldOut((16, 8), (4, 2), (nats, 6.0), HELD.signatures)
    Evaluation("m", (), {"held_out": held.scores}, "", {"rows": 2}, held_out=held).save(tmp_path)
    stored = json.loads((tmp_path / "scores.json").read_text("utf-8"))["scores"]["held_out"]
    assert [stored["perplexity"][name] for name in ("value", "low", "high")] == [None] * 3
    assert (stored["bits_per_byte"]["value"] is None) == (nats == math.inf)
    assert load_evaluation(tmp_path).held_out == held
