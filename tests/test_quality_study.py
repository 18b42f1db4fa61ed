"""benchmarks/quality.py: the study runs at the smallest size, goes on where it was, and counts right."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from bitsft.scratch import new_llama

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from quality import batches, data, results, schedule, tables, variants  # noqa: E402
from quality.sizes import SIZES  # noqa: E402

NAMES = ["대전", "부산", "서울", "광주", "울산", "인천", "수원", "제주", "강릉", "전주"]


def write_sources(folder: Path, tokenizer: PreTrainedTokenizerFast) -> dict[str, Path]:
    base = folder / "base"
    new_llama(tokenizer, hidden_size=32, layers=1, heads=2, max_length=1024).save_pretrained(base)
    tokenizer.save_pretrained(base)
    texts = [{"text": f"{name}에는 비가 온다."} for name in NAMES]
    write_lines(base / "held_out.jsonl", [json.dumps(row, ensure_ascii=False) for row in texts])
    for split in ("train", "validation", "test"):
        rows = [
            {"id": str(n), "document": f"{name} 영화 {split}", "label": n % 2}
            for n, name in enumerate(NAMES)
        ]
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        write_lines(folder / "nsmc" / f"sentiment_{split}.jsonl", lines)
    requests = [f"{name} 날씨를 {n}번 알려줘\t{name} 날씨\t2" for n in range(12) for name in NAMES]
    write_lines(folder / "sae4k.tsv", requests)
    for number, split in enumerate(("train", "dev", "test")):
        rows = [
            f"{n}\t{name} 사람 {n} 명은 {'산강들'[number]}에 있다.\t{name}에 사람이 있나?\t{n % 2 == 0}"
            for n, name in enumerate(NAMES)
        ]
        write_lines(folder / "boolq" / f"{split}.tsv", ["ID\tText\tQuestion\tAnswer", *rows])
    names = {"nsmc": "nsmc", "sae4k": "sae4k.tsv", "boolq": "boolq"}
    return {"base": base, **{key: folder / name for key, name in names.items()}}


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def study(sources: dict[str, Path], out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    given = [item for name, path in sources.items() for item in (f"--{name}", str(path))]
    fixed = ["--out", str(out), "--size", "tiny", "--seeds", "1", "--workers", "1"]
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / "quality.py"), *given, *fixed, *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_the_smallest_study_runs_and_goes_on_where_it_was(
    tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    sources, out = write_sources(tmp_path, tiny_tokenizer), tmp_path / "study"
    page = tmp_path / "page.md"
    page.write_text("<!-- quality:text -->\nold\n<!-- quality:end -->\n")
    names = ["full_precision", "rounded", "straight_through"]
    done = study(sources, out, "--variants", *names[:2])
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    first = out / "runs" / "tasks" / "seed_1" / "full_precision.json"
    written = first.stat().st_mtime_ns
    done = study(sources, out, "--variants", *names, "--tables", str(page))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "6 runs, 4 of them are there already" in done.stdout
    assert first.stat().st_mtime_ns == written, "a finished run is not repeated"

    found = json.loads((out / "results.json").read_text())
    assert set(found["variants"]["tasks"]) == set(found["variants"]["text"]) == set(names)
    ends = found["variants"]["text"]
    assert ends["full_precision"]["gap_closed"]["mean"] == 100
    assert ends["straight_through"]["gap_closed"]["mean"] == 0
    measured = set(found["runs"]["tasks"][0]["scores"])
    assert {*tables.TASK_COLUMNS, "raft_correct"} <= measured
    assert "straight-through" in page.read_text() and "old" not in page.read_text()


def test_rows_are_held_out_and_raft_has_its_distractors(
    tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    sources = write_sources(tmp_path, tiny_tokenizer)
    made = data.load_or_prepare(tmp_path / "out", sources, SIZES["tiny"])
    requests = {split: {row["prompt"] for row in made[split]["sae4k"]} for split in data.SPLITS}
    assert (
        not requests["train"] & requests["test"] and not requests["train"] & requests["validation"]
    )
    for row in made["test"]["raft"]:
        assert row["prompt"].count("<DOCUMENT>") == 1 + row["distractors"]
        assert row["oracle_context"] in row["context"]
        quote = row["completion"].split("##begin_quote##")[1].split("##end_quote##")[0]
        assert quote and quote in row["oracle_context"]
        assert row["completion"].endswith(f"##Answer: {row['answer']}")
    with pytest.raises(ValueError, match="Give another --out"):
        data.load_or_prepare(tmp_path / "out", sources, SIZES["small"])


def test_a_quote_is_where_the_statement_is() -> None:
    paragraph = "한라산은 제주도에 있는 산이다. 높이는 해발 고도 약 천구백오십 미터이며 남한에서 가장 높다고 한다."
    quote = data._quote(paragraph, "남한에서 가장 높다고 할 수 있나?")
    assert quote == "남한에서 가장 높다고 한다."


def test_batches_hold_one_task_and_fit(
    tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    made = data.load_or_prepare(
        tmp_path / "out", write_sources(tmp_path, tiny_tokenizer), SIZES["tiny"]
    )
    sizes = SIZES["tiny"]
    rows, plan = batches.task_batches(tiny_tokenizer, made["train"], sizes, 6, seed=1)
    again = batches.task_batches(tiny_tokenizer, made["train"], sizes, 6, seed=1)
    assert (rows, plan) == again
    assert len(plan) == 6
    for batch in plan:
        longest = max(len(rows[number]["input_ids"]) for number in batch)
        assert longest * len(batch) <= sizes.task_tokens
    trained = rows[plan[0][0]]
    start = trained["labels"].count(batches.UNTRAINED)
    assert trained["labels"][start:] == trained["input_ids"][start:]
    assert trained["labels"][-1] == tiny_tokenizer.eos_token_id


def test_full_precision_comes_before_its_students_and_seeds_before_extras() -> None:
    jobs = schedule.study_jobs(Path("out"), Path("base"), ["tasks"], [1, 2], None)
    order = [(job.variant.level, job.seed, job.variant.name) for job in jobs]
    assert order[0] == (0, 1, "full_precision")
    assert order == sorted(order, key=lambda one: one[:2])
    assert [name for level, seed, name in order if seed == 2][0] == "full_precision"
    only = schedule.study_jobs(Path("out"), Path("base"), ["text"], [3], ["recipe"])
    assert [job.variant.name for job in only] == ["full_precision", "recipe"]
    assert only[0].model_folder == only[1].teacher == Path("out/teachers/text/seed_3")
    with pytest.raises(ValueError, match="no variant is called rcipe"):
        schedule.study_jobs(Path("out"), Path("base"), ["text"], [1], ["rcipe"])


def test_every_ingredient_is_judged_twice() -> None:
    names = [variant.name for variant in variants.text_variants()]
    assert len(names) == len(set(names))
    for ingredient in variants.INGREDIENTS:
        kind = "without" if ingredient in variants.RECIPE else "and"
        assert {f"add_{ingredient}", f"recipe_{kind}_{ingredient}"} <= set(names)


def test_the_gap_is_closed_within_a_seed() -> None:
    def one(name: str, seed: int, loss: float) -> dict[str, object]:
        return {
            "variant": {"name": name},
            "seed": seed,
            "learning_rate": 1e-3,
            "scores": {"loss": loss},
        }

    runs = [
        one("full_precision", 1, 4.0),
        one("straight_through", 1, 5.0),
        one("recipe", 1, 4.1),
        one("full_precision", 2, 3.0),
        one("straight_through", 2, 3.5),
        one("recipe", 2, 3.25),
        one("recipe", 3, 9.0),  # without its ends it has no share
    ]
    recipe = results._summed("text", runs)["recipe"]
    assert recipe["gap_closed"]["values"] == pytest.approx([90, 50])
    assert recipe["gap_closed"]["mean"] == pytest.approx(70)
    assert recipe["gap_closed"]["spread"] == pytest.approx(28.28427)  # 20·√2
    assert recipe["to_full_precision"]["loss"]["values"] == pytest.approx([0.1, 0.25])


def test_an_ingredient_is_compared_within_each_seed() -> None:
    def one(label: str, losses: dict[int, float]) -> dict[str, object]:
        loss = {"mean": 0.0, "spread": None, "values": list(losses.values())}
        return {"label": label, "seeds": list(losses), "scores": {"loss": loss}}

    text = {
        "recipe": one("recipe", {1: 4.0, 2: 5.0, 3: 6.0}),
        "straight_through": one("straight-through", {1: 5.0, 2: 5.5}),
        "recipe_and_latent_clip": one("", {2: 5.25, 3: 6.25}),
        "add_latent_clip": one("", {1: 4.75}),
        "recipe_js": one("", {1: 3.0}),
        "add_sub_norms": one("", {1: 5.5}),
    }
    assert tables._ingredients_table(text).splitlines()[2:] == [
        "| Jensen-Shannon divergence | 1 | -1.0000 |  |",
        "| latents clipped at 3 γ | 2 | +0.2500 ± 0.0000 | -0.2500 |",
        "| sub-norms | 1 |  | +0.5000 |",
    ]
    loss = {"mean": 4.5, "spread": None, "values": [4.5]}
    for variant in text.values():
        variant["scores"] = {"loss": loss}
    assert "latents clipped" not in tables._text_table(text), "ingredients have their own table"


def test_a_page_keeps_what_is_around_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- quality:rows -->\nold\n<!-- quality:end -->\nb\n")
    assert tables.fill(page, {"rows": "| 1 |"}, {}) == ["rows"]
    assert page.read_text() == "a\n<!-- quality:rows -->\n| 1 |\n<!-- quality:end -->\nb\n"
    page.write_text("<!-- quality:nothing -->\n<!-- quality:end -->\n")
    with pytest.raises(ValueError, match="asks for 'nothing'"):
        tables.fill(page, {"rows": ""}, {})
