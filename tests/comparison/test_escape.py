"""Escaping: whatever the text, Markdown shows it and makes nothing of it."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bitsft.comparison.escape import code, escaped, escaped_lines

_MARKS = st.text(
    st.sampled_from(list("\\`*_{}[]()<>#+-.!|~&$:@^\"'=/ \n\tab가나1;")), min_size=1, max_size=40
)
_HARMLESS = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "softbreak"}
_TABLE = {f"{name}_{end}" for name in ("table", "thead", "tbody", "tr", "th", "td") for end in ("open", "close")}  # fmt: skip


def _kinds(markdown: str) -> set[str]:
    """The kinds of all tokens that CommonMark with GitHub's tables and strikethrough makes of a text."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(markdown)
    return {one.type for token in tokens for one in (token, *(token.children or []))}


def _cells(text: str) -> list[str]:
    rendered = (
        MarkdownIt("commonmark").enable("table").render(f"| a | b |\n|---|---|\n| {text} | z |")
    )
    return re.findall(r"<td>(.*?)</td>", rendered, re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</details><details open>",
        "<!-- bitsft compare: end -->",
        "[click](javascript:alert(1))",
        "![x](http://a/b.png)",
        "<https://a.b>",
        "**bold** __bold__ *i* _i_ ~~s~~ `code`",
        "a | b || c",
        "back\\|slash \\\\| \\<b>",
        "&lt;b&gt; &#60;b&#62;",
        "| a |\n|---|\n| b |",
    ],
)
def test_nothing_is_made_of_what_a_model_wrote(text: str) -> None:
    assert _kinds(f"| a | b |\n|---|---|\n| {escaped(text)} | z |") <= _HARMLESS | _TABLE
    first, second = _cells(escaped(text))
    assert html.unescape(first) == " ".join(text.split())
    assert second == "z"


@given(_MARKS)
@settings(max_examples=300)
def test_any_text_comes_out_of_a_cell_as_it_went_in(text: str) -> None:
    first, second = _cells(escaped(f"x{text}x"))
    assert html.unescape(first) == " ".join(f"x{text}x".split())
    assert second == "z"
    assert _kinds(f"| a | b |\n|---|---|\n| x{escaped(text)}x | z |") <= _HARMLESS | _TABLE


@given(_MARKS)
@settings(max_examples=300)
def test_any_text_comes_out_of_a_code_span_as_it_went_in(text: str) -> None:
    rendered = MarkdownIt("commonmark").render(f"- Base: {code(f'x{text}x')}")
    found = re.findall(r"<code>(.*?)</code>", rendered, re.DOTALL)
    assert [html.unescape(one) for one in found] == [" ".join(f"x{text}x".split())]


def test_what_github_would_link_is_no_link() -> None:
    shown = escaped("www.a.kr https://a.kr me@a.kr @user #12 :smile:")
    assert shown == "www&#46;a.kr https&#58;//a.kr me&#64;a.kr &#64;user &#35;12 &#58;smile:"


def test_plain_text_stays_readable() -> None:
    text = "서울의 인구는 (약) 1.5천만 명입니다! 질문: rouge1_recall?"
    assert escaped(text) == text


def test_hidden_characters_are_written_out() -> None:
    assert escaped("a\u202eb\u200b") == "a⟨U+202E⟩b⟨U+200B⟩"


def test_lines_and_lengths_of_a_cell() -> None:
    assert escaped_lines("하나\n\n둘 | 셋", 100) == "하나<br>둘 &#124; 셋"
    assert escaped_lines("가" * 10, 4) == "가가가가…"
    assert escaped_lines(" \n ", 10) == "*(empty)*"
    assert code("") == "(none)"
