"""The Markdown section: the workshop's line, notes, answers side by side, folded parts."""

import dataclasses

from markdown_it import MarkdownIt

from bitsft.comparison import compare
from bitsft.comparison.comparison import Comparison
from bitsft.comparison.markdown import comparison_as_markdown
from bitsft.evaluation.held_out import HeldOut
from bitsft.evaluation.parts import HELD_OUT
from tests.comparison.evaluations import answer, evaluation, scored, simple

_EVIL = "</td></details><script>alert(1)</script>\n\n# x | [a](javascript:b) ![i](http://c) <!-- bitsft compare: end -->"


def _rendered(comparison: Comparison) -> str:
    text = comparison_as_markdown(comparison)
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_the_line_of_the_workshop() -> None:
    base, tuned = simple([0.542] * 40, metric="rouge1"), simple([0.784] * 40, metric="rouge1")
    text = comparison_as_markdown(compare(base, tuned))
    assert (
        "| ROUGE-1 | 0.542 [0.542, 0.542] | 0.784 [0.784, 0.784] | **+0.242** [+0.242, +0.242] | +44.6 % "
        r"| &lt; 0.001 \*\*\* | better |"
    ) in text.splitlines()


def test_bleu_has_one_decimal_and_a_fall_its_sign() -> None:
    base, tuned = simple([53.7] * 40, metric="bleu"), simple([28.3] * 40, metric="bleu")
    text = comparison_as_markdown(compare(base, tuned))
    assert (
        "| BLEU | 53.7 [53.7, 53.7] | 28.3 [28.3, 28.3] | **−25.4** [−25.4, −25.4] | −47.3 % |"
        in text
    )


def test_it_says_what_was_compared_on_how_many_rows() -> None:
    base, tuned = simple([0.0] * 40, model="org/base"), simple([0.5] * 40, model="out/tuned")
    lines = comparison_as_markdown(compare(base, tuned)).splitlines()
    assert lines[0] == "## Before and after fine-tuning"
    assert lines[2:6] == [
        "- Base: `org/base`",
        "- Tuned: `out/tuned`",
        "- Data: `rows.jsonl`, 40 rows, SHA-256 `abababababab`…",
        "- Decoding: `greedy`",
    ]
    assert "### All (40 rows)" in lines


def test_other_decoding_is_said_twice() -> None:
    base = simple([0.0] * 40)
    tuned = dataclasses.replace(simple([1.0] * 40), decoding="sampled")
    text = comparison_as_markdown(compare(base, tuned))
    assert "- Decoding: base `greedy`, tuned `sampled`" in text
    assert "> **Note.** The two models decoded differently" in text


def test_model_output_cannot_do_anything() -> None:
    def evil(row: int) -> dict[str, object]:
        return {"prompt": _EVIL, "reference": _EVIL, "source": {"label": _EVIL + str(row)}}

    answers = [answer(row, _EVIL, task="classification", **evil(row)) for row in range(4)]
    base = evaluation(
        answers, scored("rougeL", [1, 0, 1, 0]), scored(f"f1[{_EVIL}]", [1] * 4), model=_EVIL
    )
    tuned = evaluation(
        answers, scored("rougeL", [0, 1, 0, 1]), scored(f"f1[{_EVIL}]", [0] * 4), model=_EVIL
    )
    comparison = dataclasses.replace(compare(base, tuned), notes=(_EVIL,))
    page = _rendered(comparison)
    assert "alert(1)" in page
    for tag in ("<script", "<a ", "<img", "<!--", "<h1"):
        assert tag not in page
    assert page.count("<details>") == page.count("</details>") > 3
    assert page.count("<td") == page.count("</td>")


def test_answers_stand_side_by_side_with_what_they_scored() -> None:
    base, tuned = simple([0.0, 1.0] * 20, model="x"), simple([1.0, 0.0] * 20, model="y")
    text = comparison_as_markdown(compare(base, tuned))
    assert "Taken evenly from the 40 rows:" in text
    evenly, gains, losses = text.split("| Row | Asked |")[1:4]
    assert [line.split(" | ")[0] for line in evenly.splitlines()[2:5]] == ["| 6", "| 20", "| 33"]
    assert "| 0 | 질문 0 | 정답 0 | x 0<br>(0.000) | y 0<br>(1.000) |" in gains
    assert "| 1 | 질문 1 | 정답 1 | x 1<br>(1.000) | y 1<br>(0.000) |" in losses


def test_regressions_are_counted_and_the_first_twenty_listed() -> None:
    text = comparison_as_markdown(compare(simple([1.0] * 25), simple([0.0] * 25)))
    assert (
        "rose in 0 rows, fell in 25, and stayed in 0. Regressions (right before (1), wrong now (0)): 25."
        in text
    )
    _, _, regressions = text.partition("<summary>Regressions")
    listed, _, _ = regressions.partition("</details>")
    assert listed.count("| 질문 ") == 20
    assert "and 5 more, in comparison.json." in listed


def test_details_slices_and_signatures_are_folded() -> None:
    answers = [answer(row, reference="가" * (1 + row % 2)) for row in range(40)]
    base = evaluation(
        answers, scored("rougeL", [0.5] * 40, "tok:x"), scored("rougeL_recall", [0.1] * 40)
    )
    text = comparison_as_markdown(compare(base, base))
    before, _, _ = text.partition("<details>")
    assert "ROUGE-L recall" not in before
    assert "<summary>ROUGE-L by reference length</summary>" in text
    assert "| 1 characters | 20 | 0.500 | 0.500 | 0.000 [0.000, 0.000] |" in text
    assert "- rougeL: `tok:x`" in text.partition("<summary>Signatures</summary>")[2]


def test_only_the_metrics_that_are_there_are_explained() -> None:
    text = comparison_as_markdown(compare(simple([0.5] * 40), simple([0.5] * 40)))
    assert "ROUGE is how many words" in text
    assert "BLEU and chrF count" not in text


def test_what_could_not_be_compared_is_named() -> None:
    answers = [answer(0)]
    base = evaluation(answers, scored("rougeL", [0]), scored("bleu", [0], "tok:a|x"))
    tuned = evaluation(answers, scored("rougeL", [0]), scored("bleu", [0], "tok:b|x"))
    text = comparison_as_markdown(compare(base, tuned))
    assert "- bleu (all): the signatures differ: base tok:a&#124;x, tuned tok:b&#124;x" in text


def test_held_out_texts_have_a_table_and_no_answers() -> None:
    def measured(nats: float, size: int = 10) -> HeldOut:
        names = {"bits_per_byte": "s", "perplexity": "s"}
        return HeldOut((size,) * 3, (4,) * 3, (nats,) * 3, names)

    def only(texts: HeldOut):  # type: ignore[no-untyped-def]
        return dataclasses.replace(
            simple([1.0]), answers=(), scores={HELD_OUT: texts.scores}, held_out=texts
        )

    text = comparison_as_markdown(compare(only(measured(8.0)), only(measured(4.0))))
    assert "### Held-out texts (3)" in text
    # 8 nats over 4 tokens: e² = 7.389; 4 over 4: e = 2.718
    assert "| Perplexity (lower is better) | 7.389 [7.389, 7.389] | 2.718" in text
    assert "### Answers" not in text
    other = compare(only(measured(8.0)), only(measured(4.0, size=11)))
    assert other.table == {}
    assert {one.reason for one in other.left_out} == {"the held-out texts are not the same"}
