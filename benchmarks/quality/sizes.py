"""How large a study is: the full one, one in minutes, and one for the tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Rows, steps and tokens of a study.

    Attributes:
        max_length: Tokens of a row at most, prompt and completion; what the base was trained with.
        train_rows: Rows to train on of each of NSMC and SAE4K, at most.
        raft_questions: Questions of KoBEST BoolQ to train on, at most.
        nsmc_test: Reviews to classify.
        sae4k_test: Requests to summarize.
        raft_test: Questions to answer, each with every number of distractors.
        raft_quotes: Answers to generate, to see what they quote.
        loss_rows: Held-out rows of each task whose completions' likelihood is measured.
        base_tokens: Tokens of the base's own held-out text.
        task_steps: Optimizer steps of a fine-tuning on the tasks.
        task_tokens: Padded tokens of one such step, at most.
        text_steps: Optimizer steps of a fine-tuning on text.
        text_rows: Rows of `text_length` tokens of one such step.
        text_length: Tokens of a row of text.
        text_tokens: Held-out tokens of that text.
        batch_size: Sequences of one forward pass in the measures.
    """

    max_length: int = 512
    train_rows: int = 8000
    raft_questions: int = 1500
    nsmc_test: int = 2000
    sae4k_test: int = 500
    raft_test: int = 300
    raft_quotes: int = 64
    loss_rows: int = 120
    base_tokens: int = 30_000
    task_steps: int = 400
    task_tokens: int = 1536
    text_steps: int = 120
    text_rows: int = 6
    text_length: int = 128
    text_tokens: int = 30_000
    batch_size: int = 32


SIZES = {
    "full": Sizes(),
    "small": Sizes(
        train_rows=1500,
        raft_questions=300,
        nsmc_test=200,
        sae4k_test=50,
        raft_test=40,
        raft_quotes=20,
        loss_rows=50,
        base_tokens=5000,
        task_steps=30,
        text_steps=20,
        text_tokens=5000,
    ),
    "tiny": Sizes(
        max_length=512,
        train_rows=20,
        raft_questions=40,
        nsmc_test=6,
        sae4k_test=4,
        raft_test=6,
        raft_quotes=2,
        loss_rows=3,
        base_tokens=300,
        task_steps=3,
        task_tokens=600,
        text_steps=2,
        text_rows=2,
        text_length=32,
        text_tokens=200,
        batch_size=4,
    ),
}
