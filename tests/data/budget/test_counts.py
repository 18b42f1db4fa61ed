import copy
from typing import Any

import pytest
from datasets import Dataset
from tokenizers import processors
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from bitsft.data.budget import TokenBudget, token_budget


@pytest.fixture
def tokenizer(tiny_tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """One token for each byte of these texts: "</s>" is one token, "a" is one token."""
    assert tiny_tokenizer("aabb</s>")["input_ids"][-1] == tiny_tokenizer.eos_token_id
    assert len(tiny_tokenizer("zqzq")["input_ids"]) == 4
    return tiny_tokenizer


def pair(prompt: int, completion: int) -> dict[str, str]:
    return {"prompt": "zq" * (prompt // 2), "completion": "xz" * (completion // 2)}


# Tokens with </s>: 7, 11, 15, 15.
PAIRS = [pair(4, 2), pair(4, 6), pair(6, 8), pair(12, 2)]


def test_prompt_and_completion(tokenizer: PreTrainedTokenizerFast) -> None:
    assert token_budget(PAIRS, tokenizer, 10) == TokenBudget(
        rows=4,
        max_length=10,
        median=11,
        p95=15,
        longest=15,
        longest_row=2,
        truncated=3,  # all but the first
        completion_cut=2,  # the second and the third keep a part
        completion_lost=1,  # the last one's prompt alone is 12
        lost_rows=(3,),
    )


def test_the_log_line_names_the_remedy(tokenizer: PreTrainedTokenizerFast) -> None:
    assert str(token_budget(PAIRS, tokenizer, 10)) == (
        "4 rows: median 11 tokens, 95% have at most 15, the longest (row 2) 15; max_length=10 "
        "truncates 3 (75.0%): 2 lose a part of the text to learn, 1 lose all of it and are dropped "
        "by TRL without a word (rows 3). max_length=15 holds every row"
    )
    assert str(token_budget(PAIRS, tokenizer, 15)) == (
        "4 rows: median 11 tokens, 95% have at most 15, the longest (row 2) 15; max_length=15 "
        "truncates none"
    )


@pytest.mark.parametrize(
    ("max_length", "options", "truncated", "cut", "lost"),
    [
        (15, {}, 0, 0, 0),
        (None, {}, 0, 0, 0),
        (14, {}, 2, 2, 0),
        (12, {}, 2, 1, 1),  # the prompt of the last row fills the budget to the last token
        (1, {}, 4, 0, 4),
        (8, {"truncation_mode": "keep_end"}, 3, 1, 0),  # only the third's completion (9) is longer
        (10, {"completion_only_loss": False}, 3, 3, 0),
    ],
)
def test_limits_and_options(
    tokenizer: PreTrainedTokenizerFast,
    max_length: int | None,
    options: dict[str, Any],
    truncated: int,
    cut: int,
    lost: int,
) -> None:
    budget = token_budget(Dataset.from_list(PAIRS), tokenizer, max_length, **options)
    assert (budget.truncated, budget.completion_cut, budget.completion_lost) == (
        truncated,
        cut,
        lost,
    )


def test_plain_text_is_cut_at_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"body": "zq" * 4}, {"body": "zq</s>"}]
    budget = token_budget(rows, tokenizer, 5, text_field="body")
    assert (budget.longest, budget.median) == (9, 3)
    assert (budget.truncated, budget.completion_cut, budget.completion_lost) == (1, 1, 0)


def test_token_ids(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"input_ids": [5] * 6, "labels": [-100] * 4 + [5, 5]}]
    assert token_budget(rows, tokenizer, 5).completion_cut == 1
    assert token_budget(rows, tokenizer, 4).completion_lost == 1
    masked = [{"input_ids": [5] * 6, "completion_mask": [0] * 4 + [1, 1]}]
    assert token_budget(masked, tokenizer, 4).completion_lost == 0  # TRL's default ignores it
    assert token_budget(masked, tokenizer, 4, completion_only_loss=True).completion_lost == 1


def test_batches_add_up(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = token_budget(PAIRS, tokenizer, 10)
    monkeypatch.setattr("bitsft.data.budget.counts._BATCH", 3)
    assert token_budget(iter(PAIRS), tokenizer, 10) == whole


def messages(*contents: str) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * len(contents)
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)]


SIZES = [(2, 2), (30, 4), (4, 30), (60, 4), (4, 60), (24, 24)]
KINDS: dict[str, list[dict[str, Any]]] = {
    "text": [{"text": "zq" * a + "xz" * b} for a, b in SIZES],
    "prompt, completion": [
        {"prompt": "질문: " + "zq" * a, "completion": " 답" * b} for a, b in SIZES
    ],
    "unstable boundary": [{"prompt": "zq " * a, "completion": "\n" * b} for a, b in SIZES],
    "messages": [{"messages": messages("zq" * a, "xz" * b)} for a, b in SIZES],
    "prompt, completion as messages": [
        {
            "prompt": messages("zq" * a),
            "completion": [{"role": "assistant", "content": "xz" * b}],
        }
        for a, b in SIZES
    ],
    "conversations": [
        {
            "conversations": [
                {"from": "user", "value": "zq" * a},
                {"from": "assistant", "value": "x" * b},
            ]
        }
        for a, b in SIZES
    ],
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("truncation_mode", ["keep_start", "keep_end"])
def test_the_counts_are_trls(
    kind: str, truncation_mode: str, tiny_llama: Any, tokenizer: Any, tmp_path: Any
) -> None:
    """Prepare the same rows with SFTTrainer, with and without the limit, and compare."""
    limit = 64
    dataset = Dataset.from_list([row | {"row": i} for i, row in enumerate(KINDS[kind])])

    def prepared(max_length: int | None) -> dict[int, list[int]]:
        args = SFTConfig(
            output_dir=str(tmp_path),
            max_length=max_length,
            truncation_mode=truncation_mode,
            report_to="none",
            use_cpu=True,
            bf16=False,
        )
        trainer = SFTTrainer(tiny_llama, args, train_dataset=dataset, processing_class=tokenizer)
        return {row["row"]: row["labels"] for row in trainer.train_dataset}

    def trained(labels: list[int]) -> int:
        return sum(label != -100 for label in labels)

    whole, kept = prepared(None), prepared(limit)
    lengths = [len(labels) for labels in whole.values()]

    budget = token_budget(dataset, tokenizer, limit, truncation_mode=truncation_mode)
    assert budget.longest == max(lengths) == lengths[budget.longest_row]
    assert budget.truncated == sum(length > limit for length in lengths) > 0
    assert budget.completion_lost == len(whole.keys() - kept.keys())
    assert budget.completion_cut == sum(trained(kept[i]) < trained(whole[i]) for i in kept)


def test_a_chat_template_with_tools_and_arguments(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = (
        "{% for t in tools or [] %}{{ t.name }}{% endfor %}{{ prefix }}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    plain = {"messages": messages("zq")}
    tools = plain | {"tools": '[{"name": "zqzq"}]'}
    both = tools | {"chat_template_kwargs": {"prefix": "xzx"}}
    assert [token_budget([row], tokenizer, None).longest for row in (plain, tools, both)] == [
        2,
        6,
        9,
    ]


def test_a_tokenizer_that_adds_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    """A chat template writes the first token itself; a text gets it from the tokenizer."""
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"
    assert token_budget([{"text": "zq"}], tokenizer, None).longest == 4  # <s> z q </s>
    assert token_budget([{"messages": messages("zq")}], tokenizer, None).longest == 3
    pairs = [{"prompt": messages("zqzq"), "completion": messages("zq")}]
    assert token_budget(pairs, tokenizer, 5).completion_lost == 1
    assert token_budget(pairs, tokenizer, 6).completion_cut == 1


def test_the_tokenizer_is_left_as_it_was(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.model_max_length = 8
    tokenizer.padding_side = "left"
    tokenizer.backend_tokenizer.enable_truncation(max_length=6)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    state = tokenizer.backend_tokenizer.to_str(), copy.deepcopy(tokenizer.init_kwargs)
    warned = dict(tokenizer.deprecation_warnings)

    assert token_budget(PAIRS, tokenizer, 10).longest == 15

    assert (tokenizer.backend_tokenizer.to_str(), tokenizer.init_kwargs) == state
    assert tokenizer.deprecation_warnings == warned
    assert (tokenizer.padding_side, tokenizer.model_max_length) == ("left", 8)


def test_the_rows_are_left_as_they_were(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = copy.deepcopy(PAIRS)
    token_budget(rows, tokenizer, 10)
    assert rows == PAIRS


@pytest.mark.parametrize(
    ("rows", "max_length", "options", "message"),
    [
        ([], 10, {}, "there are no rows to count"),
        (PAIRS, 0, {}, "max_length=0 must be at least 1"),
        (PAIRS, 10, {"truncation_mode": "middle"}, "truncation_mode='middle' is not known"),
        (
            [{"q": "a", "a": "b"}],
            10,
            {},
            r"row 0: the columns \['a', 'q'\] are not a form that TRL",
        ),
        ([{"prompt": "a"}], 10, {}, r"row 0: the columns \['prompt'\] are not a form"),
    ],
)
def test_wrong_arguments(
    tokenizer: PreTrainedTokenizerFast,
    rows: list[dict[str, str]],
    max_length: int,
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        token_budget(rows, tokenizer, max_length, **options)
