"""`TeacherCache`: the cache of one run, from the check of what is there to a teacher that answers from it.

A cache is for one teacher, vocabulary, temperature and k. The teacher is told by its files where it is a folder, by
its weights where it is a model in memory, and by its name where it is neither, that is a Hub id, or a folder that
is not there any more: a complete cache may be taken to a machine that never had the teacher.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from bitsft.data.common.hashing import digest, one_form
from bitsft.runs.base_model import describe_model
from bitsft.runs.settings import is_secret
from bitsft.ternary.held_codes import hold_codes
from bitsft.ternary.packed_linear import layers_with_codes
from bitsft.training.distillation.cache.build import Collate, build_cache
from bitsft.training.distillation.cache.cached_teacher import CachedTeacher
from bitsft.training.distillation.cache.one_process import on_first_process
from bitsft.training.distillation.cache.store import CacheStore
from bitsft.training.distillation.divergence import CHUNK_VALUES, CHUNK_VALUES_CPU, HeadLogits
from bitsft.training.distillation.output_head import backbone, output_head
from bitsft.training.distillation.signals import TeacherHeadSignal

LoadTeacher = Callable[[], tuple[nn.Module, int]]
"""Returns the teacher and the number of words that it shares with the student."""


class TeacherCache:
    """The folder `distillation_cache` for one teacher and one set of options.

    Args:
        folder: Made when there is something to write.
        teacher: As given to the trainer; a path is not loaded here.
        tokenizer: The student's.
        top_k: Words kept for each token.
        temperature: Of the distillation.
        teacher_options: How a teacher by path is loaded (`teacher_model_init_kwargs`), or None; a token among them is
            not written down.

    Raises:
        ValueError: The folder was made for something else; the message says what differs.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        teacher: str | os.PathLike[str] | nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        top_k: int,
        temperature: float,
        teacher_options: Any = None,
    ) -> None:
        self._store = CacheStore(folder)
        self._teacher = teacher
        self._top_k = top_k
        self._temperature = temperature
        options = {k: v for k, v in dict(teacher_options or {}).items() if not is_secret(k)}
        self._facts: dict[str, Any] = {
            "teacher": {**teacher_facts(teacher), "options": one_form(options)},
            "vocabulary": {"hash": digest(one_form(tokenizer.get_vocab())).hex()},
            "temperature": temperature,
            "top_k": top_k,
        }
        self._store.check(self._facts)

    def fill(
        self,
        dataset: Any,
        collate: Collate,
        load_teacher: LoadTeacher,
        *,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        progress: bool = True,
    ) -> CachedTeacher:
        """Have the teacher answer for each document that is missing; with several processes in the first one.

        Args:
            dataset: Prepared rows, with a length.
            collate: The trainer's collator.
            load_teacher: Called only when something is missing.
            device: Where the teacher is.
            autocast: Makes the context that the teacher runs in.
            progress: Show a bar with the time left.

        Returns:
            A teacher that knows every document of the dataset.

        Raises:
            ValueError: `top_k` is not below the number of words.
        """
        words = 0

        def load() -> "_Asked":
            nonlocal words
            model, words = load_teacher()
            if self._top_k >= words:
                raise ValueError(
                    f"distillation_top_k is {self._facts['top_k']}, but teacher and student share {words} words. Use "
                    f"{words - 1} or less; with so few words a cache saves little."
                )
            return _Asked(model, words, device, autocast)

        def facts() -> dict[str, Any]:
            teacher = {"name": _name(self._teacher), **self._facts["teacher"]}
            return {
                **self._facts,
                "teacher": teacher,
                "vocabulary": {**self._facts["vocabulary"], "size": words},
            }

        def work(still_working: Callable[[], None]) -> None:
            build_cache(
                self._store,
                dataset,
                collate,
                load,
                facts,
                top_k=self._top_k,
                temperature=self._temperature,
                progress=progress,
                on_progress=still_working,
            )

        on_first_process(work, device, "Writing the distillation cache")
        # What another process wrote is seen only after opening the folder again.
        return CachedTeacher(CacheStore(self._store.folder))


def teacher_facts(teacher: str | os.PathLike[str] | nn.Module) -> dict[str, Any]:
    """What tells one teacher from another: of its files, its weights, or its name; see the module.

    Raises:
        ValueError: The model's weights cannot be read.
    """
    if isinstance(teacher, nn.Module):
        found = describe_model(teacher)
        if "weights_sha256" not in found:
            raise ValueError(
                f"distillation_cache: the weights of teacher_model ({type(teacher).__name__}) cannot be told from "
                f"others ({found.get('why')}). Pass the teacher as a path."
            )
        return {
            "weights_sha256": found["weights_sha256"],
            "ternary_layers": len(layers_with_codes(teacher)),
        }
    if not Path(teacher).is_dir():
        return {"name": os.fspath(teacher)}
    found = describe_model(teacher)
    return {name: found[name] for name in ("folder_config_sha256", "files") if found.get(name)}


def _name(teacher: str | os.PathLike[str] | nn.Module) -> str:
    if isinstance(teacher, nn.Module):
        return (
            getattr(getattr(teacher, "config", None), "_name_or_path", "") or type(teacher).__name__
        )
    return os.fspath(teacher)


class _Asked:
    """The loaded teacher as `build_cache` asks it; the logits of all words exist for a chunk of tokens at a time."""

    def __init__(
        self,
        model: nn.Module,
        words: int,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self._model = model
        self._words = words
        self._device = device
        self._autocast = autocast

    def __call__(
        self, inputs: Mapping[str, torch.Tensor], mask: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        inputs = {name: value.to(self._device) for name, value in inputs.items()}
        with torch.no_grad(), hold_codes(self._model), self._autocast():
            hidden = backbone(self._model)(**inputs, use_cache=False).last_hidden_state
            signal = TeacherHeadSignal(hidden[mask.to(hidden.device)], output_head(self._model))
            dtype = (
                torch.get_autocast_dtype(hidden.device.type)
                if torch.is_autocast_enabled(hidden.device.type)
                else signal.head.weight.dtype
            )
        logits = HeadLogits(signal.head, self._words, dtype, 1.0)
        values = CHUNK_VALUES_CPU if hidden.device.type == "cpu" else CHUNK_VALUES
        for chunk in signal.hidden.to(signal.head.weight.device, dtype).split(
            max(1, values // self._words)
        ):
            with torch.no_grad():
                yield logits.logits(chunk)
