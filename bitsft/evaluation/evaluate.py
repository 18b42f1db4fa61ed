"""`evaluate_model`: a model and rows in, answers and scores out, and a folder that is continued when it was left.

load_model ─┐
            ├─► encode ─► predict ─► score_answers ─► Evaluation ─► predictions.jsonl, scores.json
read_data ──┘        (unfinished answers on the disk)

What is asked for is written down in `terms` (settings, and what answers depend on) and in `record` (run.json).
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft.data.ledger import Ledger
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import (
    PREDICTIONS,
    SCORES,
    Evaluation,
    load_evaluation,
    read_scores,
)
from bitsft.evaluation.held_out import HELD_OUT_FILE, HeldOut, score_texts
from bitsft.evaluation.labels import labels_of, likelihoods_for
from bitsft.evaluation.models import LoadedModel, load_model
from bitsft.evaluation.parts import HELD_OUT
from bitsft.evaluation.predict import Encoded, encode_questions, predict
from bitsft.evaluation.record import recorded_evaluation, replace_scores
from bitsft.evaluation.rows import EvalData, read_data
from bitsft.evaluation.scoring import Embedder, Scores, check_families, score_answers
from bitsft.evaluation.terms import settings_of, terms_of
from bitsft.evaluation.unfinished import PART, refuse_other_terms

if TYPE_CHECKING:
    from transformers import PreTrainedModel

logger = logging.getLogger(__name__)


def evaluate_model(
    model: "PreTrainedModel | LoadedModel | str | os.PathLike[str]",
    data: Any,
    folder: str | os.PathLike[str] | None = None,
    *,
    max_new_tokens: int = 128,
    batch_size: int = 16,
    batch_tokens: int | None = None,
    generation_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    labels: Sequence[str] | None = None,
    likelihood: bool = True,
    held_out: Sequence[str] | None = None,
    drop_long: bool = False,
    metrics: Sequence[str] | None = None,
    metric_tokenizer: str = "auto",
    embedder: Embedder | None = None,
    model_options: Mapping[str, Any] | None = None,
    data_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Evaluation:
    """Let a model answer rows, and score the answers.

    With a folder, answers are written after each batch: run the same call again after whatever stopped it, and it
    goes on where it was; run it on a finished folder, and nothing is generated.

    Args:
        model: A folder, a Hub id (which is fetched), a model in memory, or what `load_model` returned.
        data: What `read_data` reads, or what it returned: a folder that `prepare` wrote (its test split), a file of
            rows, or a list of rows. None with `held_out` only.
        folder: Where predictions.jsonl and scores.json go; None keeps the result in memory.
        max_new_tokens: Longest answer, in tokens.
        batch_size: Most rows generated together.
        batch_tokens: Most tokens of a batch, prompts and answers; None for no such limit.
        generation_kwargs: For `model.generate`, e.g. `{"do_sample": True, "temperature": 0.7}`; greedy without.
        seed: Of sampling.
        labels: Of classification, in the order in which equally likely ones are chosen. None takes those of the
            rows.
        likelihood: Also classify by the likelihood of each label.
        held_out: Texts to measure the perplexity on; they come on top of those that `data` holds.
        drop_long: Leave out rows whose prompt is too long for the model (counted in `data["too_long"]`); without it
            they are an error.
        metrics: Names in `scoring.FAMILIES`; None takes all that apply.
        metric_tokenizer: How texts are cut for ROUGE, BLEU and METEOR: `"auto"`, `"mecab"`, `"char"` or `"word"`.
        embedder: For the cosine similarity; None compares jamo n-grams.
        model_options: More for `load_model`, e.g. `{"ternary": True, "dtype": "bfloat16"}`.
        data_options: More for `read_data`, e.g. `{"task": "classification", "rows": 200}`.
        overwrite: Start anew where the folder holds another evaluation.
        progress: Show a bar with the time left.

    Returns:
        Answers and scores, which the folder holds, too.

    Raises:
        FileNotFoundError: No such model or data.
        ValueError: Rows that cannot be asked, prompts that are too long, a setting that does not apply, a folder of
            another evaluation, NaN logits.
        OSError: The folder cannot be written.

    Example:
        >>> evaluation = evaluate_model("out", "ready", "scores/out", max_new_tokens=64)
        >>> print(evaluation.scores["all"]["rougeL"])
    """
    from bitsft.metrics.generation import decoding_signature

    check_families(metrics)
    loaded = model if isinstance(model, LoadedModel) else load_model(model, **(model_options or {}))
    read = data if isinstance(data, EvalData) else _read(data, held_out, data_options or {})
    texts = [*read.texts, *(held_out or ())]
    chosen = labels_of(read, labels)
    kwargs = dict(generation_kwargs or {})
    decoding = decoding_signature(loaded.model, max_new_tokens, kwargs)
    described = read.as_dict()
    settings = settings_of(
        loaded,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        batch_tokens=batch_tokens,
        generation_kwargs=kwargs,
        seed=seed,
        labels=chosen,
        likelihood=likelihood,
        drop_long=drop_long,
        held_out=texts,
        metrics=metrics,
        metric_tokenizer=metric_tokenizer,
        embedder=embedder,
    )
    terms = terms_of({"data": described, "decoding": decoding, "settings": settings})
    place = None if folder is None else Path(folder)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    with _only_writer(place):
        if place is not None and not overwrite and _is_finished(place, terms):
            logger.warning("%s: all rows are answered already, so nothing is generated", place)
            return _scored_again(place, loaded, settings, embedder)
        encoded = encode_questions(
            loaded, read.questions, max_new_tokens=max_new_tokens, drop_long=drop_long
        )
        described["too_long"] = _left_out(encoded, len(read.questions))
        described["rows"] = len(encoded.questions) or len(texts)
        measure = likelihoods_for(loaded, chosen, batch_size) if settings["likelihood"] else None
        if place is not None and overwrite:  # only now: what was refused so far deletes nothing
            for name in (PREDICTIONS, SCORES, PART, HELD_OUT_FILE):
                (place / name).unlink(missing_ok=True)
        with recorded_evaluation(place, loaded, described, decoding, settings) as run:
            answers, work = predict(
                loaded,
                encoded,
                folder=place,
                terms=terms,
                max_new_tokens=max_new_tokens,
                batch_size=batch_size,
                batch_tokens=batch_tokens,
                seed=seed,
                generation_kwargs=kwargs,
                likelihoods=measure,
                progress=progress,
            )
            measured = score_texts(loaded, texts, batch_size=batch_size, progress=progress)
            scores = _scores(answers, measured, settings, embedder)
            evaluation = Evaluation(
                model=loaded.name,
                answers=tuple(answers),
                scores=scores,
                decoding=decoding,
                data=described,
                settings=settings,
                folder=place,
                generation=work.as_dict() if work.tokens else {},
                held_out=measured,
            )
            if place is not None:
                stored = evaluation.save(place)
                (place / PART).unlink(missing_ok=True)
                run.result(scores=stored["scores"], rows=len(answers))
            if work.tokens:
                run.time(tokens_per_second=work.tokens / work.seconds)
    return evaluation


def _read(data: Any, held_out: Sequence[str] | None, options: Mapping[str, Any]) -> EvalData:
    if data is not None:
        return read_data(data, **options)
    if not held_out:
        raise ValueError("there is nothing to evaluate on: give data, or held-out texts")
    return EvalData((), (), "held-out texts", (), None, None, (), Ledger())


@contextlib.contextmanager
def _only_writer(folder: Path | None) -> Iterator[None]:
    from bitsft.data.split.lock import only_writer

    if folder is None:
        yield
        return
    with only_writer(folder):
        yield


def _is_finished(folder: Path, terms: Mapping[str, Any]) -> bool:
    """Whether the folder holds this evaluation, finished; another one is refused."""
    if not (folder / SCORES).is_file():
        return False
    refuse_other_terms(folder / SCORES, terms_of(read_scores(folder)), terms)
    return True


def _scored_again(
    folder: Path, loaded: LoadedModel, settings: dict[str, Any], embedder: Embedder | None
) -> Evaluation:
    """A finished evaluation, under the metrics that are asked for now; its record goes on with them."""
    before = load_evaluation(folder, rescore=False)
    stale = read_scores(folder).get("scores", {})
    with recorded_evaluation(
        folder, loaded, before.data, before.decoding, settings, scored_again=True
    ) as run:
        scores = _scores(before.answers, before.held_out, settings, embedder)
        evaluation = replace(before, scores=scores, settings=settings)
        stored = evaluation.save(folder)
        (folder / PART).unlink(missing_ok=True)  # left by a process that was killed at its very end
        replace_scores(run, stale, stored["scores"], settings)
    return evaluation


def _left_out(encoded: Encoded, rows: int) -> list[int]:
    """Numbers of the rows whose prompts are too long; said once, for they are missing in the scores."""
    numbers = [question.number for question, _ in encoded.too_long]
    if numbers:
        logger.warning(
            "%d of %d rows are left out, for their prompts are too long: their numbers stand in %s under "
            '"too_long"',
            len(numbers),
            rows,
            SCORES,
        )
    return numbers


def _scores(
    answers: Sequence[Answer],
    held_out: HeldOut | None,
    settings: Mapping[str, Any],
    embedder: Embedder | None,
) -> Scores:
    scores: Scores = {}
    if answers:
        scores = score_answers(
            answers,
            tokenizer=settings["metric_tokenizer"],
            embedder=embedder,
            metrics=settings["metrics"],
            labels=settings["labels"],
        )
    if held_out is not None:
        scores[HELD_OUT] = held_out.scores
    return scores
