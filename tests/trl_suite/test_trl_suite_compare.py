"""Reading junit files and comparing two runs, on small files with literal expectations."""

from pathlib import Path

import pytest
import trl_suite_compare
from trl_suite_compare import Difference, Outcome


def junit(trainer: str, cases: str) -> str:
    """A junit file whose testcases all carry the class under test; `{p}` stands for that."""
    properties = f'<properties><property name="trainer" value="{trainer}"/></properties>'
    return f"<testsuites><testsuite>{cases.replace('{p}', properties)}</testsuite></testsuites>"


def test_junit_gives_outcome_message_and_time_of_each_test(tmp_path: Path) -> None:
    (tmp_path / "run.xml").write_text(
        junit(
            "trl:SFTTrainer",
            '<testcase classname="tests.m.TestA" name="test_ok[x-1]" time="1.5">{p}</testcase>'
            '<testcase classname="tests.m.TestA" name="test_bad" time="0.5">{p}'
            '<failure message="AssertionError: first&#10;second">trace</failure></testcase>'
            '<testcase classname="tests.m.TestA" name="test_setup" time="0">{p}'
            '<error message="fixture not found"/></testcase>'
            '<testcase classname="tests.m.TestB" name="test_gpu" time="0">{p}'
            '<skipped message="test requires accelerator"/></testcase>',
        )
    )
    assert trl_suite_compare.read_junit(tmp_path / "run.xml", "trl:SFTTrainer") == {
        "TestA::test_ok[x-1]": Outcome("passed", "", 1.5),
        "TestA::test_bad": Outcome("failed", "AssertionError: first", 0.5),
        "TestA::test_setup": Outcome("failed", "fixture not found", 0.0),
        "TestB::test_gpu": Outcome("skipped", "test requires accelerator", 0.0),
    }


def test_junit_keeps_the_failure_of_a_test_whose_teardown_fails(tmp_path: Path) -> None:
    (tmp_path / "run.xml").write_text(
        junit(
            "a:B",
            '<testcase classname="T" name="t" time="1">{p}<error message="teardown"/></testcase>'
            '<testcase classname="T" name="t" time="1">{p}</testcase>',
        )
    )
    outcomes = trl_suite_compare.read_junit(tmp_path / "run.xml", "a:B")
    assert outcomes == {"T::t": Outcome("failed", "teardown", 1.0)}


@pytest.mark.parametrize("properties", ["{p}", ""])
def test_junit_of_another_class_is_refused(tmp_path: Path, properties: str) -> None:
    (tmp_path / "run.xml").write_text(
        junit("trl:SFTTrainer", f'<testcase classname="T" name="t">{properties}</testcase>')
    )
    with pytest.raises(ValueError, match="T::t ran on .* not on 'bitsft:TernarySFTTrainer'"):
        trl_suite_compare.read_junit(tmp_path / "run.xml", "bitsft:TernarySFTTrainer")


def test_regressions_are_what_only_ours_does_not_pass() -> None:
    passed, failed, skipped = Outcome("passed"), Outcome("failed", "no"), Outcome("skipped", "gpu")
    stock = {
        "both pass": passed,
        "ours fails": passed,
        "ours skips": passed,
        "ours is absent": passed,
        "both fail": failed,
        "stock fails": failed,
        "both skip": skipped,
        "stock skips, ours fails": skipped,
    }
    ours = {
        "both pass": passed,
        "ours fails": failed,
        "ours skips": skipped,
        "both fail": Outcome("failed", "another reason"),
        "stock fails": passed,
        "both skip": skipped,
        "stock skips, ours fails": failed,
        "only ours, fails": failed,
        "only ours, passes": passed,
    }
    comparison = trl_suite_compare.compare_runs(stock, ours)
    absent = Outcome("absent", "the test did not run")
    assert comparison.regressions == [
        Difference("ours fails", passed, failed),
        Difference("ours skips", passed, skipped),
        Difference("ours is absent", passed, absent),
        Difference("stock skips, ours fails", skipped, failed),
        Difference("only ours, fails", absent, failed),
    ]
    assert comparison.fail_in_both == [
        Difference("both fail", failed, Outcome("failed", "another reason"))
    ]
    assert comparison.fail_in_stock_only == [Difference("stock fails", failed, passed)]


def test_table_counts_and_reasons() -> None:
    run = {
        "a": Outcome("passed", "", 1.4),
        "b": Outcome("failed", "no", 1.0),
        "c": Outcome("skipped", "gpu"),
        "d": Outcome("skipped", "gpu"),
    }
    assert trl_suite_compare.table({"stock": run, "ternary": {"a": run["a"]}}).splitlines() == [
        "         passed  failed  skipped  seconds",
        "stock         1       1        2        2",
        "ternary       1       0        0        1",
    ]
    assert trl_suite_compare.skip_reasons(run) == [(2, "gpu")]
