"""`python -m tests.blind.page.server FOLDER PORT`: the page on hostile answers, in a process that can be killed."""

import argparse
import sys

from bitsft.cli.blind import add_blind_arguments, run_blind
from bitsft.evaluation.evaluation import Evaluation
from tests.blind.evaluations import BASE, TUNED, evaluation

BASES = [
    "<script>window.hacked = 1</script>",
    "**굵게** _기울임_ [링크](javascript:alert(1))\n# 제목",
    "$$\\frac{1}{2}$$ \\(x^2\\) ${window.hacked = 1} {{value}}",
    "",
]
TUNEDS = [
    '<img src="x" onerror="window.hacked = 1">',
    "</textarea></div><iframe srcdoc='<script>parent.hacked = 1</script>'></iframe>",
    "&lt;b&gt; &amp; <b>굵게</b>",
    "서울입니다.\n\n  한 칸 들여 쓴 줄",
]


def hostile() -> tuple[Evaluation, Evaluation]:
    return evaluation(BASE, BASES), evaluation(TUNED, TUNEDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    add_blind_arguments(parser)
    arguments = ["--blind", "--blind-folder", sys.argv[1], "--blind-port", sys.argv[2]]
    sys.exit(run_blind(*hostile(), parser.parse_args(arguments)))
