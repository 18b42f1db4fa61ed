"""Messages in the words of the command line."""

import logging

import pytest

from bitsft.cli.data.wording import OptionsFormatter, in_options


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Pass columns={'context': '문서'}", "Pass --map 문서=context"),
        ("use read_rows(columns={...})", "use read_rows(--map FILE=TASK"),
        ("method='exact' meets the ratios", "--method exact meets the ratios"),
        ("overwrite=True replaces it", "--overwrite replaces it"),
        ("Pass encoding='utf-16'", "Pass --encoding utf-16"),
        ("Pass quoted=False if", "Pass --no-quoted if"),
        ("threshold=80.0 must be", "--near 80.0 must be"),
        ("columns names 'X', but", "--map names 'X', but"),
        ("split='train', config=None: it", "split train: it"),
        ("split='dev', config='small'", "split dev, config small"),
        ("metrics has 'rogue'; use", "--metrics has 'rogue'; use"),
        ("labels=['긍정', '부정']: no", "--labels 긍정,부정: no"),
        ("with --task (task=...), and", "with --task, and"),
        (
            "ratios={'train': 0.5} must name 2 splits, e.g. {'train': 0.8, 'test': 0.2}",
            "--ratios train=0.5 must name 2 splits, e.g. train=0.8,test=0.2",
        ),
        ("pass --overwrite (overwrite=True) to replace", "pass --overwrite to replace"),
        ("Give another: --tokenizer FOLDER (tokenizer=...)", "Give another: --tokenizer FOLDER"),
        (
            "dtype=torch.float16 does not go with format='compressed-tensors'",
            "--dtype float16 does not go with --format compressed-tensors",
        ),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_arguments_become_options(said: str, shown: str) -> None:
    assert in_options(said).startswith(shown)


def test_warnings_too() -> None:
    record = logging.LogRecord("bitsft", logging.WARNING, "", 0, "%s", ("method='hash'",), None)
    assert OptionsFormatter("%(message)s").format(record) == "--method hash"
