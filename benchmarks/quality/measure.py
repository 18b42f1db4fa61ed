"""What is measured of a trained model, all on rows that were not trained on.

    tasks   loss of held-out completions, nats a token (mean of the three tasks, and each)
            nsmc_accuracy                by label likelihood
            sae4k_rougeL, sae4k_bleu     of generated phrases
            raft_correct_k               예 or 아니오 by label likelihood, k distractors; raft_correct: mean of the three
            raft_oracle_quoted           share of generated answers whose quote is verbatim from the right one
                                         of three paragraphs
            base_bits_per_byte           of the base's own held-out text: what was forgotten
    text    loss of held-out text, nats a token

Accuracies, ROUGE and shares are in percent, so that a difference is in points. Answers are greedy.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitsft.data.raft_builder import check_quotes
from bitsft.data.raft_notation import split_chain
from bitsft.metrics import (
    bits_per_byte,
    bleu,
    classification_by_likelihood,
    generate_completions,
    label_likelihoods,
    log_likelihoods,
    rouge,
)
from quality.batches import encode, text_blocks
from quality.data import DISTRACTORS, TASKS, Data
from quality.sizes import Sizes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LABELS, VERDICTS = ["부정", "긍정"], ["예", "아니오"]
QUOTED = 2  # distractors of the questions whose quotes are judged
PHRASE, ANSWER = 32, 72  # longest answers, in tokens

Scores = dict[str, float]


def text_loss(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    lines: list[str],
    sizes: Sizes,
) -> float:
    """Nats a token of held-out text, in blocks of the length that was trained on."""
    blocks = text_blocks(
        tokenizer, lines, sizes.text_length, -(-sizes.text_tokens // sizes.text_length)
    )
    prompts, rests = [block[:1] for block in blocks], [block[1:] for block in blocks]
    nats = log_likelihoods(model, prompts, rests, batch_size=sizes.batch_size)
    return -sum(nats) / sum(map(len, rests))


def completion_losses(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: dict[str, list[dict[str, Any]]],
    sizes: Sizes,
) -> Scores:
    """`loss_<task>`: nats a token of the completions; `loss`: their mean, each task counting the same."""
    losses = {}
    for task in TASKS:
        # RAFT's rows come in groups of one number of distractors: take from all of them.
        step = max(1, len(rows[task]) // sizes.loss_rows)
        pairs = [encode(tokenizer, row) for row in rows[task][::step][: sizes.loss_rows]]
        prompts, completions = [p for p, _ in pairs], [c for _, c in pairs]
        nats = log_likelihoods(model, prompts, completions, batch_size=sizes.batch_size)
        losses[f"loss_{task}"] = -sum(nats) / sum(map(len, completions))
    return {"loss": sum(losses.values()) / len(losses), **losses}


def task_scores(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    data: Data,
    sizes: Sizes,
    timed: Callable[[str], Any],
) -> tuple[Scores, dict[str, str]]:
    """All measures of the tasks, and the signatures of those that have one.

    Args:
        model: The trained model.
        tokenizer: The base's.
        data: The study's.
        sizes: Of the study.
        timed: A context manager for a part's name, to see what the measures cost.
    """
    test = data["test"]
    with timed("losses"):
        scores = completion_losses(model, tokenizer, test, sizes)
    with timed("base"):
        texts, most = [], 0
        for text in data["base_text"]:
            texts.append(text)
            most += len(tokenizer(text)["input_ids"])
            if most >= sizes.base_tokens:
                break
        length = min(sizes.max_length, model.config.max_position_embeddings)
        of_base = bits_per_byte(
            model, tokenizer, texts, max_length=length, stride=length, batch_size=sizes.batch_size
        )["bits_per_byte"]
        scores["base_bits_per_byte"] = of_base.value
    signatures = {"base_bits_per_byte": of_base.signature}
    with timed("nsmc"):
        likelihoods = label_likelihoods(
            model,
            tokenizer,
            [row["prompt"] for row in test["nsmc"]],
            LABELS,
            batch_size=sizes.batch_size,
        )
        labels = [row["label"] for row in test["nsmc"]]
        accuracy = classification_by_likelihood(likelihoods, labels, settings="per:none")
        scores["nsmc_accuracy"] = 100 * accuracy["likelihood_accuracy"].value
    with timed("sae4k"):
        phrases = _generated(model, tokenizer, test["sae4k"], PHRASE, 2 * sizes.batch_size)
        references = [row["completion"].strip() for row in test["sae4k"]]
        overlap = rouge(phrases, references, rouge_types=("rougeL",))["rougeL"]
        ngrams = bleu(phrases, references)["bleu"]
        scores |= {"sae4k_rougeL": 100 * overlap.value, "sae4k_bleu": ngrams.value}
        signatures |= {"sae4k_rougeL": overlap.signature, "sae4k_bleu": ngrams.signature}
    for number in DISTRACTORS:
        with timed(f"raft_{number}"):
            rows = [row for row in test["raft"] if row["distractors"] == number]
            likelihoods = label_likelihoods(
                model,
                tokenizer,
                [row["verdict_prompt"] + " ##Answer:" for row in rows],
                VERDICTS,
                batch_size=sizes.batch_size,
            )
            verdicts = [row["answer"] for row in rows]
            correct = classification_by_likelihood(likelihoods, verdicts, settings="per:none")
            scores[f"raft_correct_{number}"] = 100 * correct["likelihood_accuracy"].value
    scores["raft_correct"] = sum(scores[f"raft_correct_{n}"] for n in DISTRACTORS) / len(
        DISTRACTORS
    )
    with timed("raft_quotes"):
        rows = [row for row in test["raft"] if row["distractors"] == QUOTED][: sizes.raft_quotes]
        answers = _generated(model, tokenizer, rows, ANSWER, sizes.batch_size)
        quoted = [_quotes_the_oracle(text, row) for text, row in zip(answers, rows, strict=True)]
        scores["raft_oracle_quoted"] = 100 * sum(quoted) / len(quoted)
    return scores, signatures


def _generated(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[dict[str, Any]],
    tokens: int,
    batch_size: int,
) -> list[str]:
    prompts = [row["prompt"] for row in rows]
    return generate_completions(
        model, tokenizer, prompts, max_new_tokens=tokens, batch_size=batch_size
    )


def _quotes_the_oracle(answer: str, row: dict[str, Any]) -> bool:
    """Whether there is a quote and all of it stands in the paragraph that the statement is about."""
    chain, _ = split_chain(answer)
    return "##begin_quote##" in answer and not check_quotes({**row, "cot": chain})
