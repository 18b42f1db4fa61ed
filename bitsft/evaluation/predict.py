"""`predict`: a model and questions in, answers out, batch by batch; what was answered before is not asked again.

    prompts -> token ids -> too long? -> batches (batches.py) -> generate -> the file of answers (unfinished.py)

Each batch is a function of its rows and the seed alone: sampling starts anew at each, from a hash of the seed and
of the batch's first row. So an evaluation that was killed and resumed ends with the answers of one that was not.

NaN in the logits is an error: greedy decoding would take the first token for the most likely one, and write
something. Out of memory is one as well, with what to lower; the batches with the longest prompts come first, so
that it comes at the start.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.data.common.hashing import stable_hash
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.batches import Work, plan_batches
from bitsft.evaluation.questions import Question
from bitsft.evaluation.unfinished import PART, UnfinishedAnswers

if TYPE_CHECKING:
    import torch

    from bitsft.evaluation.models import LoadedModel

logger = logging.getLogger(__name__)

Likelihoods = Callable[[Sequence[Question]], list[dict[str, float]]]
"""Questions -> for each the log-likelihood of each label; empty for what is no classification."""


@dataclass(frozen=True)
class Encoded:
    """Questions as token ids.

    Attributes:
        questions: Those that fit.
        ids: Of their prompts.
        too_long: Those that do not, with how many tokens their prompts have.
    """

    questions: tuple[Question, ...]
    ids: tuple[list[int], ...]
    too_long: tuple[tuple[Question, int], ...]


def encode_questions(
    loaded: "LoadedModel",
    questions: Sequence[Question],
    *,
    max_new_tokens: int,
    drop_long: bool = False,
) -> Encoded:
    """Tokenize prompts, and find those that leave no room for an answer.

    Args:
        loaded: The model.
        questions: What it will be asked.
        max_new_tokens: Longest answer.
        drop_long: Leave too long prompts out instead of refusing them.

    Raises:
        ValueError: A prompt is too long or empty (with its row), all are too long, or the tokenizer is not the model's.
    """
    from bitsft.metrics.generation import encode_prompt, room_for_prompt

    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens={max_new_tokens}: it must be 1 or more")
    tokenizer = loaded.tokenizer
    kept: list[tuple[Question, list[int]]] = []
    long: list[tuple[Question, int]] = []
    room = room_for_prompt(loaded.model, max_new_tokens)
    for question in questions:
        row = question.row
        try:
            ids = encode_prompt(
                tokenizer,
                row.prompt,
                tools=row.tools,
                chat_template_kwargs=row.chat_template_kwargs,
            )
        except ValueError as error:
            if isinstance(row.prompt, str) or tokenizer.chat_template is not None:
                raise
            raise ValueError(
                f"{question.where}: the prompt is a list of messages, but the tokenizer of {loaded.name} has no chat "
                "template. Leave --messages out, or name a tokenizer with one (--tokenizer)"
            ) from error
        if not ids:
            raise ValueError(
                f"{question.where}: the prompt has no tokens, so there is nothing to go on"
            )
        if room is not None and len(ids) > room:
            long.append((question, len(ids)))
        else:
            kept.append((question, ids))
    if long and (not drop_long or not kept):
        raise ValueError(_too_long(long, len(questions), room, max_new_tokens))
    highest = max((max(ids) for _, ids in kept), default=0)
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    if highest >= rows:
        raise ValueError(
            f"{loaded.name}: a prompt has the token {highest}, but the model has embeddings for {rows} tokens: the "
            "tokenizer is another model's. Name the right one with --tokenizer (tokenizer=...)"
        )
    return Encoded(tuple(q for q, _ in kept), tuple(ids for _, ids in kept), tuple(long))


def predict(
    loaded: "LoadedModel",
    encoded: Encoded,
    *,
    folder: Path | None,
    terms: Mapping[str, Any],
    max_new_tokens: int,
    batch_size: int,
    batch_tokens: int | None = None,
    seed: int = 0,
    generation_kwargs: Mapping[str, Any] | None = None,
    likelihoods: Likelihoods | None = None,
    progress: bool = False,
) -> tuple[list[Answer], Work]:
    """Answer questions.

    Args:
        loaded: The model.
        encoded: The questions.
        folder: Where the unfinished answers lie; None keeps them in memory only.
        terms: What the answers depend on; an unfinished file with others is refused.
        max_new_tokens: Longest answer, in tokens.
        batch_size: Most rows of a batch.
        batch_tokens: Most tokens of a batch, see `plan_batches`.
        seed: Of sampling.
        generation_kwargs: For `model.generate`.
        likelihoods: Of the labels of classified rows.
        progress: Show a bar with the time left.

    Returns:
        The answers in the order of the questions, and the work that this process did for them.

    Raises:
        ValueError: A setting cannot be used, the unfinished file is another evaluation's, the logits are NaN, or
            memory is too small.
        OSError: The answers cannot be written.
    """
    from tqdm.auto import tqdm

    from bitsft.metrics.generation import batch_writer
    from bitsft.metrics.inference_state import inference_state, seeded
    from bitsft.ternary.held_codes import hold_codes

    model, questions = loaded.model, encoded.questions
    places = plan_batches(
        [len(ids) for ids in encoded.ids],
        [len(question.row.reference) for question in questions],
        batch_size=batch_size,
        batch_tokens=batch_tokens,
        max_new_tokens=max_new_tokens,
    )
    numbers = [[questions[place].number for place in batch] for batch in places]
    kwargs = dict(generation_kwargs or {})
    kwargs["logits_processor"] = _with_nan_check(kwargs.get("logits_processor"), loaded.name)
    write = batch_writer(model, loaded.tokenizer, max_new_tokens=max_new_tokens, **kwargs)
    work = Work()
    broken = 0
    path = None if folder is None else folder / PART
    with (
        _store(path, terms, numbers) as store,
        inference_state(model),
        hold_codes(model),  # nothing changes the weights here: ternary layers quantize them once
        tqdm(
            total=len(questions),
            initial=len(store.answers),
            desc="Answering",
            unit="row",
            disable=not progress,
        ) as bar,
    ):
        for batch in places:
            asked = [questions[place] for place in batch]
            if asked[0].number in store.answers:
                continue
            prompts = [encoded.ids[place] for place in batch]
            began = time.perf_counter()
            with seeded(model, stable_hash("batch", seed, asked[0].number) % 2**63):
                completions = _guarded(write, prompts, model)
            seconds = time.perf_counter() - began
            work.add([len(ids) for ids in prompts], [c.tokens for c in completions], seconds)
            known: list[dict[str, float]] = [{}] * len(asked)
            if likelihoods is not None:
                with _memory_explained(model, prompts, "labels"):
                    known = likelihoods(asked)
            broken += sum(whole_text(one.text) != one.text for one in completions)
            store.add(
                [
                    Answer(
                        question.number,
                        question.row.prompt,
                        question.row.reference,
                        whole_text(completion.text),
                        completion.tokens,
                        completion.finished,
                        question.task,
                        question.id,
                        question.source,
                        labels,
                    )
                    for question, completion, labels in zip(asked, completions, known, strict=True)
                ]
            )
            bar.update(len(batch))
            bar.set_postfix_str(f"{work.tokens / work.seconds:.0f} tokens/s", refresh=False)
        if broken:
            logger.warning(
                "%d answers held half of a surrogate pair, which no file and no score takes: U+FFFD stands there",
                broken,
            )
        return [store.answers[question.number] for question in questions], work


def whole_text(text: str) -> str:
    """A text with U+FFFD in place of each half of a surrogate pair, which a slow tokenizer may write; pairs are joined."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _InMemory:
    """Stands in for `UnfinishedAnswers` where there is no folder."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}

    def __enter__(self) -> "_InMemory":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def add(self, batch: Sequence[Answer]) -> None:
        self.answers.update((answer.row, answer) for answer in batch)


def _store(
    path: Path | None, terms: Mapping[str, Any], batches: Iterable[Sequence[int]]
) -> "UnfinishedAnswers | _InMemory":
    return _InMemory() if path is None else UnfinishedAnswers(path, terms, batches)


def _guarded(
    write: Callable[[Sequence[list[int]]], Any], prompts: Sequence[list[int]], model: Any
) -> Any:
    with _memory_explained(model, prompts, "answers"):
        return write(prompts)


@contextlib.contextmanager
def _memory_explained(model: Any, prompts: Sequence[list[int]], what: str) -> Iterator[None]:
    """Out of memory becomes an error that says what to lower."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"the memory of {model.device} is too small for {len(prompts)} prompts of up to {max(map(len, prompts))} "
            f"tokens and their {what}: lower --batch-size (batch_size=...), or load in bfloat16 with --dtype"
        ) from error


def _with_nan_check(given: Any, name: str) -> Any:
    from transformers import LogitsProcessor, LogitsProcessorList

    class NanCheck(LogitsProcessor):
        def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
            if bool(scores.amax(dim=-1).isnan().any()):
                raise ValueError(
                    f"{name}: the logits are NaN after {input_ids.shape[1]} tokens. Its training diverged, or "
                    "float16 overflows (load in float32 or bfloat16 with --dtype); `bitsft verify` compares an "
                    "export with its source"
                )
            return scores

    return LogitsProcessorList([*(given or ()), NanCheck()])


def _too_long(
    long: Sequence[tuple[Question, int]], rows: int, room: int | None, max_new_tokens: int
) -> str:
    first, tokens = long[0]
    worst, most = max(long, key=lambda one: one[1])
    return (
        f"{len(long)} of {rows} prompts are too long for the model, the first that of {first.where} with {tokens} "
        f"tokens, the longest that of {worst.where} with {most}: with max_new_tokens={max_new_tokens} there is room "
        f"for {room}. Lower --max-new-tokens, shorten the rows, or leave these out with --drop-long (drop_long=True)"
    )
