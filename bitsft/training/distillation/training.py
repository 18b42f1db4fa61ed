"""`TeacherTraining`: the part of `TernarySFTTrainer` that listens to a teacher.

    compute_loss   adds the teacher's terms to TRL's loss, while training; an evaluation's loss is TRL's alone
    log            the terms beside the loss, over the same steps: loss = (1 - w)·cross_entropy + w·distillation
    train          a ternary teacher keeps its codes

What TRL puts in the place of the cross-entropy (`loss_type="dft"`, label smoothing, `compute_loss_func`, the auxiliary
loss of experts) has its share 1 - w and its name in the log.

The teacher is an attribute of the trainer, in no module and no optimizer: checkpoints and saved models do not hold it.
"""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from datasets import Dataset
from transformers.trainer_utils import TrainOutput
from trl import SFTTrainer

from bitsft.ternary.held_codes import hold_codes
from bitsft.training.config import TernarySFTConfig
from bitsft.training.distillation.cache.cached_teacher import CachedTeacher
from bitsft.training.distillation.cache.teacher_cache import TeacherCache
from bitsft.training.distillation.distillation import Distillation
from bitsft.training.distillation.output_head import output_head
from bitsft.training.distillation.teacher import Teacher, load_teacher, where_it_lies
from bitsft.training.distillation.vocabulary import shared_words, tokenizer_of

logger = logging.getLogger(__name__)


class TeacherTraining(SFTTrainer):
    """The distilling half of `TernarySFTTrainer`."""

    _distillation: Distillation | None = None
    _teacher_cache: TeacherCache | None = None

    def _start_distillation(self, teacher: Teacher, args: TernarySFTConfig) -> None:
        """Load and check the teacher; the student stands and is on its device.

        Raises:
            ValueError: The weights are partitioned over processes, the model is to be compiled, or see `load_teacher` and `shared_words`.
        """
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise ValueError(
                "teacher_model with DeepSpeed or FSDP: the divergence needs the whole output head of teacher and "
                "student in each process. Use DDP (accelerate launch without a DeepSpeed or FSDP config)."
            )
        if args.torch_compile:
            raise ValueError(
                "teacher_model with torch_compile=True: the student's last hidden states are caught by a hook, which a "
                "compiled model does not run. Leave torch_compile out."
            )
        self._terms: dict[str, torch.Tensor] = {}
        self._terms_from_step = 0
        self._load_teacher = lambda: self._loaded_teacher(teacher, args)
        if args.distillation_cache is not None:
            if args.distillation_temperature > 1:
                logger.warning(
                    "distillation_cache keeps %d words of each token; at temperature %g they have little of the "
                    "probability, and what the others have is not learned. Set distillation_temperature=1.0 "
                    "(docs/distillation.md has numbers).",
                    args.distillation_top_k,
                    args.distillation_temperature,
                )
            self._teacher_cache = TeacherCache(
                args.distillation_cache,
                teacher,
                self._tokenizer,
                top_k=args.distillation_top_k,
                temperature=args.distillation_temperature,
                teacher_options=args.teacher_model_init_kwargs,
            )
            if not hasattr(self.train_dataset, "__len__"):
                raise ValueError(
                    "distillation_cache needs the whole training data before the first step; train_dataset is a "
                    f"{type(self.train_dataset).__name__}, which streams. Leave distillation_cache out, or pass a "
                    "Dataset."
                )
            return
        model, words = self._load_teacher()
        self._distillation = Distillation(model, args, self.model, words)

    def _loaded_teacher(
        self, teacher: Teacher, args: TernarySFTConfig
    ) -> tuple[torch.nn.Module, int]:
        with torch.random.fork_rng(devices=[]):
            model = load_teacher(teacher, args, self.model, self.accelerator.device)
        tokenizer = tokenizer_of(
            teacher, model, trust_remote_code=args.trust_remote_code, **where_it_lies(args)
        )
        return model, shared_words(self.model, model, self._tokenizer, tokenizer)

    def _from_cache(self, cache: TeacherCache) -> Distillation:
        """Fill the cache where something is missing; the teacher is gone again afterwards."""
        dataset = self.train_dataset
        if isinstance(dataset, Dataset):
            dataset = self._remove_unused_columns(dataset, description="training")
        taught = cache.fill(
            dataset,
            self.data_collator,
            self._load_teacher,
            device=self.accelerator.device,
            autocast=self.accelerator.autocast,
            progress=not self.args.disable_tqdm,
        )
        own = output_head(self.model).words
        if taught.store.words > own:
            raise ValueError(
                f"distillation_cache: {self.args.distillation_cache} has probabilities of {taught.store.words:,} words; "
                f"the student's head has {own:,}. Name another folder to have the teacher asked anew."
            )
        return Distillation(taught, self.args, self.model, taught.store.words)

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        if self._teacher_cache is not None:
            self._distillation = self._from_cache(self._teacher_cache)
        if self._distillation is None:
            self.args.check_needs_no_teacher()
            return super().train(*args, **kwargs)
        teacher = self._distillation.teacher
        if isinstance(teacher, CachedTeacher):
            return super().train(*args, **kwargs)
        with hold_codes(teacher):
            return super().train(*args, **kwargs)

    def _inner_training_loop(self, *args: Any, **kwargs: Any) -> TrainOutput:
        self._terms = {}  # what a try of auto_find_batch_size noted before it failed is no part of the next
        return super()._inner_training_loop(*args, **kwargs)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """As in TRL, with the teacher's terms while training."""
        if self._distillation is None or not self.model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        with self._distillation.watching_student() as states:
            found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = found[0] if return_outputs else found
        with self.accelerator.autocast():
            terms = self._distillation.loss(states, inputs, num_items_in_batch)
        # As in TRL: the tokens are counted over all processes, and DDP averages the gradients.
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            for name in terms:
                terms[name] = terms[name] * (self.accelerator.num_processes // self.get_tp_size())
        self._note({"cross_entropy": loss, **terms}, num_items_in_batch is None)
        loss = self._distillation.combined(loss, terms)
        return (loss, found[1]) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self._distillation is not None and "loss" in logs and self._terms:
            steps = max(1, self.state.global_step - self._terms_from_step)
            for name, total in self._terms.items():
                logs[name] = self.accelerator.gather(total).mean().item() / steps
            self._terms = {}
        super().log(logs, start_time)

    def _note(self, terms: Mapping[str, torch.Tensor], is_mean_of_batch: bool) -> None:
        """Sum up as Trainer sums up the loss: without a count of tokens it divides by the accumulated batches."""
        if not self._terms:
            self._terms_from_step = self.state.global_step
        parts = self.current_gradient_accumulation_steps if is_mean_of_batch else 1
        for name, term in terms.items():
            value = term.detach().float() / parts
            self._terms[name] = self._terms[name] + value if name in self._terms else value
