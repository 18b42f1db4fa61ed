from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from bitsft.data.budget import TokenBudget, TokenParts, token_budget
from tests.data.budget.test_counts import KINDS, PAIRS, messages


@pytest.fixture
def tokenizer(tiny_tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """One token for each byte of these texts, and one for "</s>"."""
    return tiny_tokenizer


def parts_of(budget: TokenBudget) -> TokenParts:
    assert budget.parts is not None
    return budget.parts


def test_prompt_and_completion_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    parts = parts_of(token_budget(PAIRS, tokenizer, 10, parts=True))
    assert list(parts.prompt_lengths) == [4, 4, 6, 12]
    assert list(parts.completion_lengths) == [3, 7, 9, 3]  # with </s>
    assert parts.lengths == list(parts.needed) == [7, 11, 15, 15]
    assert parts.tokens_cut() == ([0, 0, 0, 2], [0, 1, 5, 3])
    assert parts.lost == {3}


def test_keep_end_cuts_prompts_first(tokenizer: PreTrainedTokenizerFast) -> None:
    budget = token_budget(PAIRS, tokenizer, 8, truncation_mode="keep_end", parts=True)
    parts = parts_of(budget)
    assert parts.tokens_cut() == ([0, 3, 6, 7], [0, 0, 1, 0])
    assert list(parts.needed) == [3, 7, 9, 3]
    assert (budget.completion_cut, budget.completion_lost) == (1, 0)


def test_without_a_limit_nothing_is_cut(tokenizer: PreTrainedTokenizerFast) -> None:
    parts = parts_of(token_budget(PAIRS, tokenizer, None, parts=True))
    assert parts.tokens_cut() == ([0] * 4, [0] * 4)
    assert parts.padding().packed_rows is None


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("truncation_mode", ["keep_start", "keep_end"])
def test_the_counts_are_the_same_with_and_without(
    kind: str, truncation_mode: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    options: dict[str, Any] = {"truncation_mode": truncation_mode}
    plain = token_budget(KINDS[kind], tokenizer, 64, **options)
    full = token_budget(KINDS[kind], tokenizer, 64, parts=True, **options)
    parts = parts_of(full)
    for name in ("rows", "median", "longest", "truncated", "completion_cut", "lost_rows"):
        assert getattr(plain, name) == getattr(full, name)
    prompts, completions = parts.tokens_cut()
    assert sum(n > 0 for n in completions) == full.completion_cut + full.completion_lost
    over = [max(length - 64, 0) for length in parts.lengths]
    assert [a + b for a, b in zip(prompts, completions, strict=True)] == over
    assert any(parts.prompt_lengths) == ("prompt" in kind or kind == "unstable boundary")
    # With the limit that every row needs, none loses a trained token; with one less, some does.
    needed = max(parts.needed)
    enough = token_budget(KINDS[kind], tokenizer, needed, **options)
    assert (enough.completion_cut, enough.completion_lost) == (0, 0)
    less = token_budget(KINDS[kind], tokenizer, needed - 1, **options)
    assert less.completion_cut + less.completion_lost > 0


def test_token_ids(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"input_ids": [5] * 6, "labels": [-100, -100, 5, 5, -100, -100]}]
    parts = parts_of(token_budget(rows, tokenizer, 5, parts=True))
    assert (list(parts.prompt_lengths), list(parts.completion_lengths)) == ([2], [4])
    assert list(parts.needed) == [4]
    parts = parts_of(token_budget(rows, tokenizer, 5, parts=True, truncation_mode="keep_end"))
    assert list(parts.needed) == [4]
    rows = [{"input_ids": [5] * 6, "labels": [-100] * 6}]
    assert list(parts_of(token_budget(rows, tokenizer, 9, parts=True)).needed) == [0]


def test_a_loss_on_the_prompt_needs_the_whole_row(tokenizer: PreTrainedTokenizerFast) -> None:
    budget = token_budget(
        PAIRS, tokenizer, 10, completion_only_loss=False, truncation_mode="keep_end", parts=True
    )
    assert list(parts_of(budget).prompt_lengths) == [4, 4, 6, 12]
    assert list(parts_of(budget).needed) == [7, 11, 15, 15]


def test_the_suggestion() -> None:
    needed = [100] * 995 + [129] * 4 + [641]
    parts = TokenParts([0] * 1000, needed, needed, max_length=None)
    assert parts.suggest_max_length() == 128
    assert parts.suggest_max_length(0.996) == 192
    assert parts.suggest_max_length(1.0) == 704
    assert parts.suggest_max_length(1.0, multiple=1) == 641
    assert TokenParts([0], [64], [64], None).suggest_max_length() == 64
    with pytest.raises(ValueError, match=r"share=0 must be above 0"):
        parts.suggest_max_length(0)
    with pytest.raises(ValueError, match=r"multiple=0 must be at least 1"):
        parts.suggest_max_length(multiple=0)


def test_as_text(tokenizer: PreTrainedTokenizerFast) -> None:
    budget = token_budget(PAIRS, tokenizer, 10, parts=True, batch_size=2)
    assert str(budget).splitlines() == [
        str(token_budget(PAIRS, tokenizer, 10)),
        "                mean     p50     p95     p99     max",
        "prompt           6.5       4      12      12      12",
        "completion       5.5       3       9       9       9",
        "whole row       12.0      11      15      15      15",
        "max_length=10 cuts 2 tokens of 1 prompts and 9 tokens of 3 completions; TRL drops 1 rows",
        "suggested: max_length=64 (the smallest multiple of 64 that cuts no completion of 99.5% of "
        "the rows; 0 lie above)",
        # Lengths 7, 10, 10: 27 tokens of 27 or 30, by whether the 7 is the row left over (1 in 3, or 1 of 5 draws).
        "batches of 2: 6.9% padding, 8.2% with group_by_length; packing 'bfd' pads nothing, makes "
        "4 rows and leaves 7.5% of them unfilled",
    ]


def test_rows_without_prompts_show_one_line(tokenizer: PreTrainedTokenizerFast) -> None:
    shown = str(token_budget([{"messages": messages("zq")}], tokenizer, None, parts=True))
    assert "whole row" in shown
    assert "prompt" not in shown


def test_as_dict(tokenizer: PreTrainedTokenizerFast) -> None:
    plain = token_budget(PAIRS, tokenizer, 10).as_dict()
    assert plain == {
        "rows": 4,
        "max_length": 10,
        "median": 11,
        "p95": 15,
        "longest": 15,
        "longest_row": 2,
        "truncated": 3,
        "completion_cut": 2,
        "completion_lost": 1,
        "lost_rows": [3],
    }
    parts = token_budget(PAIRS, tokenizer, 10, parts=True).as_dict()["parts"]
    assert parts["prompt"] == {"mean": 6.5, "p50": 4, "p95": 12, "p99": 12, "max": 12}
    assert parts["prompt_cut"] == {"rows": 1, "tokens": 2}
    assert parts["completion_cut"] == {"rows": 3, "tokens": 9}
    assert parts["dropped"] == 1
    assert parts["suggested_max_length"] == {"share": 0.995, "for_share": 64, "for_all": 64}
    assert parts["histogram"]["completion"]["counts"] == [0, 0, 0, 2, 0, 0, 0, 1, 0, 1]


def test_a_wrong_batch_size(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        token_budget(PAIRS, tokenizer, 10, parts=True, batch_size=0)
