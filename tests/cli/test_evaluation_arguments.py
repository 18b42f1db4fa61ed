"""The options of an evaluation: how rows are read, classes and their names, decoding."""

import argparse
from pathlib import Path

import pytest

from bitsft.cli.evaluation_arguments import (
    add_evaluation_arguments,
    arguments_from,
    generation_from,
    labels_from,
)


def test_files_are_read_with_the_options_of_bitsft_data(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('"좋다;긍정\n나쁘다;부정\n', "utf-8")
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    add_evaluation_arguments(parser)
    options = "--task classification --header a,b --map a=text,b=label --delimiter ; --no-quoted"
    parsed = parser.parse_args([str(tmp_path / "rows.csv"), *options.split()])
    questions = arguments_from(parsed)["data"].questions
    assert [question.source["text"] for question in questions] == ['"좋다', "나쁘다"]


def test_labels() -> None:
    assert labels_from(None) == (None, None)
    assert labels_from("긍정,부정") == (None, ["긍정", "부정"])
    assert labels_from("0=부정,1=긍정") == ({"0": "부정", "1": "긍정"}, ["부정", "긍정"])
    with pytest.raises(ValueError, match="--labels: .*empty name"):
        labels_from("긍정,,부정")


def test_decoding_options() -> None:
    parser = argparse.ArgumentParser()
    add_evaluation_arguments(parser)
    given = "--temperature 0.7 --top-k 5 --stop 끝 --repetition-penalty 1.2"
    assert generation_from(parser.parse_args(given.split())) == {
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 5,
        "stop_strings": ["끝"],
        "repetition_penalty": 1.2,
    }
    assert generation_from(parser.parse_args([])) == {}
    with pytest.raises(ValueError, match="--top-k is about sampling: give --temperature"):
        generation_from(parser.parse_args(["--top-k", "3"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--temperature 0", "--temperature: 0 must be above 0, and finite"),
        ("--temperature nan", "--temperature: nan must be above 0, and finite"),
        ("--top-p 1.5", "--top-p: 1.5 must be above 0 and at most 1, and finite"),
        ("--rows 0", "--rows: 0 is too small; give 1 or more"),
        ("--batch-size -4", "--batch-size: -4 is too small; give 1 or more"),
        ("--max-new-tokens many", "--max-new-tokens: 'many' is no whole number"),
    ],
)
def test_numbers_out_of_range_are_refused_while_the_options_are_read(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_evaluation_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(arguments.split())
    assert said in capsys.readouterr().err
