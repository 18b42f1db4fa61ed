"""The runner and its plugin, on a checkout with a suite of six tests: no TRL checkout is needed."""

import json
import types
from pathlib import Path

import pytest
import run_trl_suite
import trl_suite_plugin

TRAINERS = """
class Config: pass
class Stock: answer = 1
class Ours: answer = 2
"""
SUITE = """
import pytest
from fake_trainers import Config as SFTConfig, Stock as SFTTrainer
from .testing_utils import Base

class TestSFTTrainer(Base):
    def test_bound(self):
        assert SFTTrainer.answer in (1, 2)
    def test_parent_only(self):
        assert SFTTrainer.answer == 1
    def test_neither(self):
        assert SFTTrainer.answer == 3
    @pytest.mark.slow
    def test_slow(self):
        raise RuntimeError
    @pytest.mark.parametrize("model_id", ["trl-internal-testing/made", "trl-internal-testing/vlm"])
    def test_model(self, model_id):
        assert self.name == "base"
"""


def test_names_imported_from_trl_are_found_wherever_they_stand() -> None:
    source = "from trl import A, B as C\nfrom trlx import D\ndef f():\n    from trl.x.y import E\n"
    assert trl_suite_plugin.imported_from_trl(source) == [
        ("trl", "A"),
        ("trl", "B"),
        ("trl.x.y", "E"),
    ]


def test_stand_ins_only_for_what_is_missing() -> None:
    module = types.ModuleType("trl.fake")
    module.present = 1  # type: ignore[attr-defined]
    for name in ("present", "is_gone_available", "_gone"):
        trl_suite_plugin.stand_in(module, name)
    assert module.present == 1
    assert module.is_gone_available() is False
    with pytest.raises(pytest.skip.Exception, match="installed TRL has no trl.fake._gone"):
        module._gone(1, weight=2)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose suite asks for nothing of the Hub, and two classes to run it on."""
    tests = tmp_path / "checkout" / "tests"
    (tests / "data").mkdir(parents=True)
    for name in run_trl_suite.SUITE_FILES:
        (tests / name).write_text("")
    (tests / "testing_utils.py").write_text("class Base:\n    name = 'base'\n")
    (tests / run_trl_suite.MODULE).write_text(SUITE)
    (tests.parent / "VERSION").write_text("9.9.9\n")
    (tmp_path / "fake_trainers.py").write_text(TRAINERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(
        run_trl_suite,
        "TRAINERS",
        {
            "stock": ("fake_trainers:Stock", "fake_trainers:Config"),
            "ternary": ("fake_trainers:Ours", "fake_trainers:Config"),
        },
    )

    def build_one_folder(scripts: Path, work: Path) -> None:
        (work / "hub" / "trl-internal-testing" / "made").mkdir(parents=True)

    monkeypatch.setattr(run_trl_suite, "build_hub_in_subprocess", build_one_folder)
    return tests


def test_a_run_reports_what_only_our_class_fails(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    status = run_trl_suite.main(["--trl-tests", str(checkout), "--json", str(report)])
    printed = capsys.readouterr().out
    assert status == 1
    assert "TRL's tests of 9.9.9" in printed
    assert "needs trl-internal-testing/vlm, which is not made offline" in printed
    result = json.loads(report.read_text())
    assert {test: o["outcome"] for test, o in result["runs"]["ternary"].items()} == {
        "TestSFTTrainer::test_bound": "passed",
        "TestSFTTrainer::test_parent_only": "failed",
        "TestSFTTrainer::test_neither": "failed",
        "TestSFTTrainer::test_slow": "skipped",
        "TestSFTTrainer::test_model[trl-internal-testing/made]": "passed",
        "TestSFTTrainer::test_model[trl-internal-testing/vlm]": "skipped",
    }
    [regression] = result["comparison"]["regressions"]
    assert regression["test"] == "TestSFTTrainer::test_parent_only"
    assert (regression["stock"]["outcome"], regression["ours"]["outcome"]) == ("passed", "failed")
    [both] = result["comparison"]["fail_in_both"]
    assert both["test"] == "TestSFTTrainer::test_neither"


def test_a_keyword_leaves_out_the_regression(checkout: Path) -> None:
    arguments = ["--trl-tests", str(checkout), "-k", "bound or neither"]
    assert run_trl_suite.main(arguments) == 0


def test_one_class_alone_compares_nothing(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    arguments = ["--trl-tests", str(checkout), "--only", "ternary", "--work-dir", str(work)]
    assert run_trl_suite.main(arguments) == 0
    assert "failed in ternary:\n  TestSFTTrainer::test_parent_only" in capsys.readouterr().out
    assert (work / "ternary.xml").is_file()
    assert not (work / "stock.xml").exists()


def test_a_suite_that_cannot_be_collected_is_no_result(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / run_trl_suite.MODULE).write_text("import no_such_module\n")
    assert run_trl_suite.main(["--trl-tests", str(checkout)]) == 2
    message = capsys.readouterr().err
    assert "pytest on fake_trainers:Stock ended with status 2" in message
    assert "no_such_module" in message


def test_a_folder_without_the_suite_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_trl_suite.main(["--trl-tests", str(tmp_path)]) == 2
    assert f"no test_sft_trainer.py in {tmp_path}" in capsys.readouterr().err


def test_a_failed_build_shows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trl_suite_hub.py").write_text("raise FileNotFoundError('no zen script')\n")
    monkeypatch.setattr(run_trl_suite, "HERE", tmp_path)
    with pytest.raises(run_trl_suite.SuiteError, match="no zen script"):
        run_trl_suite.build_hub_in_subprocess(tmp_path / "scripts", tmp_path)
