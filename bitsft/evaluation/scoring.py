"""`score_answers`: which scores which answers get.

| family | rows | scores |
|---|---|---|
| rouge | all | rouge1, rouge2, rougeL, rougeLsum; each also `_recall` and `_precision` |
| bleu | all | bleu, and the precision of each n-gram order |
| chrf | all | chrf |
| meteor | all | meteor |
| cosine | all | cosine with an embedder, else cosine_tfidf_jamo |
| exact_match | all | exact_match; of qa rows against the best of their answers |
| char_f1 | all | char_f1; the same |
| shape | all | length, repetition, and `finished`: the share that ended by itself |
| classification | classification | accuracy, macro and per-class precision, recall and F1, of the generated labels |
| likelihood | classification | the same of the most likely labels, where likelihoods were measured |
| raft | raft | final answers and quotes |

The first eight are the scores under `"all"`. A task has a key of its own where it occurs beside others (its share of
those eight, by `Score.subset`: nothing is scored twice) or has scores of its own (the last three). Classification has
only these: of one word, ROUGE and all the others say what accuracy says.

The last two need columns or likelihoods of every row of their task: a row that lacks them leaves the family out, with a
warning where others have them.

Texts are scored without the white space around them; BLEU, chrF and the others take one reference each, which of a
qa row is its first answer.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bitsft.evaluation.answers import Answer
from bitsft.evaluation.labels import measures_end
from bitsft.evaluation.parts import ALL
from bitsft.metrics.score import Score, mean_score

logger = logging.getLogger(__name__)

Embedder = str | os.PathLike[str] | Callable[[list[str]], Any]
Scores = dict[str, dict[str, Score]]

TEXT_FAMILIES = (*("rouge", "bleu", "chrf", "meteor", "cosine", "exact_match", "char_f1", "shape"),)
TASK_FAMILIES = {"classification": ("classification", "likelihood"), "raft": ("raft",)}
FAMILIES = (*TEXT_FAMILIES, *(name for names in TASK_FAMILIES.values() for name in names))


def score_answers(
    answers: Sequence[Answer],
    *,
    tokenizer: str = "auto",
    embedder: Embedder | None = None,
    metrics: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
) -> Scores:
    """Score answers, all together and task by task.

    Args:
        answers: n answers, one or more.
        tokenizer: How texts are cut for ROUGE, BLEU and METEOR, see `bitsft.metrics.tokenizers`.
        embedder: Of the cosine similarity, see `cosine_similarity`; None compares jamo n-grams.
        metrics: Families to score; None means all that apply.
        labels: The classes of classified rows; None means those of their references.

    Returns:
        `{"all": {name: Score}, task: {name: Score}, ...}`. The rows of a score follow the order of the answers;
        those of a task's score the order of the answers of that task.

    Raises:
        ValueError: When there are no answers, a setting is unknown, no family applies, or a row's label is not
            among `labels`.
        ImportError: When a setting needs an extra that is not installed.
    """
    check_families(metrics)
    if not answers:
        raise ValueError("there are no answers to score")
    wanted = FAMILIES if metrics is None else tuple(metrics)
    places = rows_by_task(answers)
    scores: Scores = {ALL: _text_scores(answers, wanted, tokenizer, embedder)}
    for task, rows in places.items():
        part: dict[str, Score] = {}
        if len(rows) < len(answers) and task != "classification":
            whole = scores[ALL].items()
            part = {n: score.subset(rows) for n, score in whole if score.statistics is not None}
        own = [answers[row] for row in rows]
        if task == "classification":
            part |= _classification_scores(own, wanted, labels)
        elif task == "raft" and "raft" in wanted:
            part |= _raft_scores(own)
        if part:
            scores[task] = part
    if not scores[ALL]:
        del scores[ALL]
    if not scores:
        raise ValueError(
            f"metrics={list(wanted)}: none of them applies to rows of {_named(places)}"
        )
    return scores


def check_families(metrics: Sequence[str] | None) -> None:
    """Refuse names that are no family.

    Raises:
        ValueError: For the first that is none.
    """
    if isinstance(metrics, str):
        raise ValueError(f"metrics={metrics!r} is one string: write metrics=[{metrics!r}]")
    if metrics is not None and not metrics:
        raise ValueError("metrics is empty: name one, or leave it out for all")
    for name in metrics or ():
        if name not in FAMILIES:
            raise ValueError(f"metrics has {name!r}; use any of {', '.join(FAMILIES)}")


def rows_by_task(answers: Sequence[Answer]) -> dict[str, list[int]]:
    """The places of each task's answers among all, tasks in the order of their first answer."""
    places: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer.task is not None:
            places.setdefault(answer.task, []).append(place)
    return places


def _text_scores(
    answers: Sequence[Answer], wanted: Sequence[str], tokenizer: str, embedder: Embedder | None
) -> dict[str, Score]:
    from bitsft.metrics.answer_shape import answer_shape
    from bitsft.metrics.cosine import cosine_similarity
    from bitsft.metrics.korquad import char_f1, exact_match
    from bitsft.metrics.meteor import meteor
    from bitsft.metrics.rouge_scores import MEASURES, ROUGE_TYPES, rouge
    from bitsft.metrics.sacrebleu_scores import bleu, chrf

    texts = [answer.prediction.strip() for answer in answers]
    references = [answer.reference.strip() for answer in answers]
    accepted = [_accepted(answer) for answer in answers]

    def shape() -> dict[str, Score]:
        finished = mean_score("finished", [answer.finished for answer in answers], "ended:eos")
        return {**answer_shape(texts, references, tokenizer=tokenizer), "finished": finished}

    families: dict[str, Callable[[], Mapping[str, Score]]] = {
        "rouge": lambda: rouge(
            texts, references, tokenizer=tokenizer, rouge_types=ROUGE_TYPES, measures=MEASURES
        ),
        "bleu": lambda: bleu(texts, references, tokenizer=tokenizer, precisions=True),
        "chrf": lambda: chrf(texts, references),
        "meteor": lambda: meteor(texts, references, tokenizer=tokenizer),
        "cosine": lambda: cosine_similarity(texts, references, embedder=embedder),
        "exact_match": lambda: exact_match(texts, accepted),
        "char_f1": lambda: char_f1(texts, accepted),
        "shape": shape,
    }
    scores: dict[str, Score] = {}
    for name, family in families.items():
        if name in wanted:
            scores |= family()
    return scores


def _accepted(answer: Answer) -> list[str]:
    """Every right answer: of a qa row that is asked for its first one, the others too."""
    others = answer.source.get("answers") if answer.task == "qa" else None
    return list(dict.fromkeys([answer.reference.strip(), *(others or ())]))


def _classification_scores(
    answers: Sequence[Answer], wanted: Sequence[str], labels: Sequence[str] | None
) -> dict[str, Score]:
    from bitsft.metrics.classification import classification, classification_by_likelihood
    from bitsft.metrics.label_likelihoods import likelihood_signature

    scores: dict[str, Score] = {}
    references = [str(answer.source.get("label", answer.reference)) for answer in answers]
    if "classification" in wanted:
        texts = [answer.prediction for answer in answers]
        scores |= classification(texts, references, labels=labels)
    measured = [answer.likelihoods for answer in answers]
    if "likelihood" in wanted and _all_have("likelihood", "likelihoods of labels", measured):
        how = likelihood_signature(eos=measures_end(list(measured[0])))
        scores |= classification_by_likelihood(measured, references, settings=how)
    return scores


def _raft_scores(answers: Sequence[Answer]) -> dict[str, Score]:
    from bitsft.metrics.raft_scores import raft_scores

    if not _all_have("raft", "a context", ["context" in answer.source for answer in answers]):
        return {}  # rows that came as prompt and completion: their documents are not known
    return raft_scores([a.prediction for a in answers], [a.source for a in answers])


def _all_have(family: str, what: str, values: Sequence[object]) -> bool:
    """Whether no row lacks what a family needs; said where only some do."""
    lacking = sum(not value for value in values)
    if 0 < lacking < len(values):
        logger.warning(
            "%d of %d rows lack %s, so the scores %r are left out for all of them: give all rows alike, or "
            "evaluate these apart",
            lacking,
            len(values),
            what,
            family,
        )
    return lacking == 0


def _named(places: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(places) or "no task"
