"""Whether teacher and student mean the same words by the same ids, and how many they share.

Heads are often padded beyond the tokenizer's words, and differently for two sizes of a family (Qwen2.5: 151,665 words;
151,936 rows in the 0.5B model, 152,064 in the 7B). So the words decide where both tokenizers are at hand: every
id that both know must be the same word, and the teacher must have a row for every word of the student. The
divergence is then over the rows that both heads have. Without a second tokenizer the heads must have the same size.
"""

import logging
from typing import Any

from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from bitsft.training.distillation.output_head import output_head, unwrapped

logger = logging.getLogger(__name__)


def shared_words(
    student: nn.Module,
    teacher: nn.Module,
    student_tokenizer: PreTrainedTokenizerBase,
    teacher_tokenizer: PreTrainedTokenizerBase | None,
) -> int:
    """The number of rows of the heads that the divergence compares.

    Raises:
        ValueError: The vocabularies differ, or might (the heads differ in size and there is no tokenizer to tell).
    """
    rows = {
        role: min(output_head(model).words, unwrapped(model).get_input_embeddings().weight.shape[0])
        for role, model in (("student", student), ("teacher", teacher))
    }
    words = min(rows.values())
    advice = "Distillation compares probabilities word by word: use a teacher with the student's tokenizer."
    if teacher_tokenizer is None:
        if rows["student"] != rows["teacher"]:
            raise ValueError(
                f"The teacher's vocabulary has {rows['teacher']:,} words, the student's {rows['student']:,}, and there is "
                "no tokenizer beside the teacher that could tell whether they differ in padding only. Pass the "
                f"teacher by a path that holds its tokenizer. {advice}"
            )
        return words
    own = {number: word for word, number in student_tokenizer.get_vocab().items()}
    other = {number: word for word, number in teacher_tokenizer.get_vocab().items()}
    differing = [
        number for number in sorted(own.keys() & other.keys()) if own[number] != other[number]
    ]
    if differing:
        first = differing[0]
        raise ValueError(
            f"The teacher has another vocabulary: {len(differing):,} of {len(own.keys() & other.keys()):,} ids mean "
            f"different words; id {first} is {own[first]!r} to the student and {other[first]!r} to the teacher. {advice}"
        )
    beyond = [number for number in sorted(own) if number >= words]
    if beyond:
        raise ValueError(
            f"The teacher has no row for {len(beyond):,} words of the student's tokenizer, {own[beyond[0]]!r} (id "
            f"{beyond[0]}) first; {words:,} rows are in both models. Enlarge the teacher with "
            "resize_token_embeddings, or leave the added words out."
        )
    return words


def tokenizer_of(
    teacher: Any, model: nn.Module, *, trust_remote_code: bool = False, **where: Any
) -> PreTrainedTokenizerBase | None:
    """The tokenizer saved with the teacher, or None; a Hub id is asked for only where the user named one.

    Args:
        teacher: As given to the trainer.
        model: The loaded teacher.
        trust_remote_code: See transformers.
        **where: What else finds the teacher's files (`revision`, `token`, `subfolder`, ...).
    """
    is_object = isinstance(teacher, nn.Module)
    name = getattr(model.config, "_name_or_path", "") if is_object else teacher
    if not name:
        return None
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            name, trust_remote_code=trust_remote_code, **{"local_files_only": is_object, **where}
        )
    except (
        OSError,
        ValueError,
        KeyError,
    ) as error:  # no tokenizer there, or none that transformers reads
        logger.info("No tokenizer beside the teacher %s: %s", name, error)
        return None
    return tokenizer
