"""`bitsft demo`: both tasks from end to end with few steps, and what the reviews' task starts from."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from bitsft import load_demo_model
from bitsft.cli import main
from bitsft.cli.demo import reviews, run_demo
from bitsft.cli.demo.shared import shortened
from bitsft.ternary import ternary_layers


class Stop(Exception):
    """Ends a demo where its trainer would be made."""


def test_the_demo_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--steps", "2", "--output-dir", str(tmp_path / "model")]) == 0
    captured = capsys.readouterr()
    out = captured.out
    assert "5.3 M parameters" in out and "3600 film reviews" in out and "held out: 400" in out
    # untrained, it finds the label of two tokens more likely than the one of three, whatever the review
    assert re.search(r"\n  accuracy +0\.500 +0\.\d{3}\n  macro F1 +0\.333 +0\.\d{3}\n", out)
    confusion = re.findall(r"of 200 that are (긍정|부정): (\d+) as 부정, (\d+) as 긍정", out)
    assert [(label, int(a) + int(b)) for label, a, b in confusion] == [("부정", 200), ("긍정", 200)]
    assert out.count("\n  review    ") == 5
    assert re.findall(r"\n  before    (\S+), (?:[5-9]\d|100)%\n", out) == ["부정"] * 5
    assert len(re.findall(r"\n  after     (?:긍정|부정), (?:[5-9]\d|100)%\n", out)) == 5
    assert re.search(
        r"Training changed 0\.\d% of the codes\.\n4,259,840 ternary weights in 35 ", out
    )
    assert "ternary layers take 1.06 MB, against 8.52 MB in bf16" in out
    assert f'AutoModelForCausalLM.from_pretrained("{tmp_path / "model"}")' in out
    assert "2/2" in captured.err, "a progress bar"
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["quantization_config"]["linear_class"] == "bitlinear"


def test_the_questions_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "model"
    assert main(["demo", "--task", "questions", "--steps", "3", "--output-dir", str(folder)]) == 0
    captured = capsys.readouterr()
    for kind in ("other wordings of what was taught", "other documents of the same kind"):
        assert f"\n{kind}\n" in captured.out
    assert captured.out.count("  question  ") == 5
    assert re.search(r"\d+\.\d% -1, \d+\.\d% 0, \d+\.\d% \+1", captured.out)
    assert re.search(r"ternary layers take 0\.\d\d MB, against \d\.\d\d MB in bf16", captured.out)
    assert f'AutoModelForCausalLM.from_pretrained("{folder}")' in captured.out
    assert "3/3" in captured.err, "a progress bar"
    config = json.loads((folder / "config.json").read_text())
    assert config["quantization_config"]["linear_class"] == "bitlinear"


def test_the_reviews_start_from_the_model_that_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def stop(model: Any, tokenizer: Any, train: Any, output_dir: Path, **settings: Any) -> None:
        given.update(settings, model=model, tokenizer=tokenizer, train=train)
        raise Stop

    monkeypatch.setattr(reviews, "make_trainer", stop)
    threads = torch.get_num_threads()
    with pytest.raises(Stop):
        run_demo(tmp_path, seed=3)
    assert torch.get_num_threads() == threads

    model, tokenizer = load_demo_model()
    expected = model.state_dict()
    found = given["model"].state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert given["tokenizer"].get_vocab() == tokenizer.get_vocab()
    assert (given["max_steps"], given["warmup_steps"], given["seed"]) == (200, 20, 3)
    # the option's name in transformers 5.2 and later, and before
    assert given.get("train_sampling_strategy") == "group_by_length" or given["group_by_length"]
    assert given["train"][0] == {
        "prompt": "### 질문: 권력위에 선 인간, 오만함 아래 선 인간\n\n### 답변:",
        "completion": " 긍정",
    }


def test_the_labels_are_words_of_few_tokens_that_share_the_last() -> None:
    tokenizer = load_demo_model()[1]
    ids = [tokenizer(" " + label, add_special_tokens=False).input_ids for label in reviews.LABELS]
    assert [len(one) for one in ids] == [2, 3]
    assert ids[0][-1] == ids[1][-1] and ids[0][0] != ids[1][0]


def test_changed_codes_are_counted_from_copies() -> None:
    model = load_demo_model()[0]
    before = reviews._codes(model)
    assert sum(codes.numel() for codes in before) == 4_259_840
    layer = next(iter(ternary_layers(model).values()))
    with torch.no_grad():
        layer.weight.neg_()
    after = reviews._codes(model)
    differ = [int((old != new).sum()) for old, new in zip(before, after, strict=True)]
    assert differ[0] == int((before[0] != 0).sum()) > 0 and not any(differ[1:])


def test_an_answer_is_the_likelier_label_with_its_share() -> None:
    assert reviews._answer({"부정": -2.0, "긍정": -1.0}) == "긍정, 73%"
    assert reviews._answer({"부정": -200.0, "긍정": -900.0}) == "부정, 100%"


def test_scores_and_confusion_of_known_answers(capsys: pytest.CaptureFixture[str]) -> None:
    sure = {"긍정": {"부정": -9.0, "긍정": -0.1}, "부정": {"부정": -0.1, "긍정": -9.0}}
    labels = ["긍정", "긍정", "긍정", "부정"]
    answers = ["긍정", "긍정", "부정", "부정"]
    # F1: 긍정 2·2/(2 + 3) = 0.8, 부정 2·1/(2 + 1) = 0.667
    scores = reviews._scores([sure[answer] for answer in answers], labels)
    assert scores == {"accuracy": 0.75, "macro F1": pytest.approx((0.8 + 2 / 3) / 2)}
    reviews._print_confusion(answers, labels)
    assert capsys.readouterr().out == (
        "\nAfter training\n  of 1 that are 부정: 1 as 부정, 0 as 긍정\n"
        "  of 3 that are 긍정: 1 as 부정, 2 as 긍정\n"
    )


def test_a_long_text_is_cut_to_one_line() -> None:
    assert shortened("가 나\n다") == "가 나 다"
    assert shortened("가" * 80) == "가" * 69 + "…"


def test_an_unknown_task_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        ValueError, match="task='films' is not known; use one of reviews, questions"
    ):
        run_demo(tmp_path, task="films")
    with pytest.raises(SystemExit):
        main(["demo", "--task", "films"])
    assert "invalid choice: 'films'" in capsys.readouterr().err
