"""`Distillation`: what a teacher adds to the loss of one batch, from one forward of the student.

    loss = (1 - w)·CE + w·τ²·D(teacher, student) + γ·AD

CE is TRL's own loss. A hook on the student's backbone catches the last hidden states of the forward that TRL runs for
it, so the student runs once. D is the mean over the trained tokens (labels other than -100) of the divergence
between the two next-token distributions at temperature τ (divergence.py); τ² keeps the size of its gradients
as τ grows (arXiv 1503.02531, section 2). AD compares attention relations (attention.py).

`teacher_signal` is the only place where the teacher is asked. The teacher sees exactly the student's inputs (ids, masks,
positions), so packed and padding-free rows mean the same to both. Prompt tuning puts virtual tokens before a
row of the student: the last positions of its hidden states belong to the tokens, and the position of the last
virtual token, which the teacher lacks, is not compared.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bitsft.training.distillation.attention import AttentionDistillation
from bitsft.training.distillation.cache.cached_teacher import CachedTeacher
from bitsft.training.distillation.divergence import divergence_sum
from bitsft.training.distillation.documents import trained_positions
from bitsft.training.distillation.options import DistillationOptions
from bitsft.training.distillation.output_head import backbone, output_head
from bitsft.training.distillation.signals import TeacherHeadSignal, TeacherSignal

_NOT_FOR_THE_TEACHER = ("labels", "shift_labels", "use_cache", "output_router_logits")


@dataclass
class StudentStates:
    """What one forward of the student left behind.

    Attributes:
        hidden: [batch, (virtual tokens +) length, width]: the backbone's last hidden states, with their graph.
        attention: What attention distillation compares, with its graph; empty without it.
    """

    hidden: torch.Tensor | None = None
    attention: dict[str, torch.Tensor] = field(default_factory=dict)


class Distillation:
    """The teacher's part of the loss.

    Args:
        teacher: In evaluation mode, on the student's device; see `load_teacher`. It is no submodule of anything.
        args: Weight, temperature, divergence.
        student: The model that is trained, wrapped by PEFT or not, but not by DDP.
        words: Size of the vocabulary that both share: the divergence is over the first `words` rows of the heads.
    """

    def __init__(
        self,
        teacher: nn.Module | CachedTeacher,
        args: DistillationOptions,
        student: nn.Module,
        words: int,
    ) -> None:
        self.teacher = teacher
        self._args = args
        self._student = student
        self._words = words
        self._attention: AttentionDistillation | None = None
        if args.attention_distillation_weight > 0:
            if isinstance(teacher, CachedTeacher):
                raise ValueError("A cache holds no attention relations; see DistillationOptions.")
            self._attention = AttentionDistillation(
                student,
                teacher,
                layer=args.attention_distillation_layer,
                heads=args.attention_distillation_heads,
            )

    @contextmanager
    def watching_student(self) -> Iterator[StudentStates]:
        """Catch what the losses need from the first forward of the student that runs inside."""
        states = StudentStates()

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if states.hidden is None:
                states.hidden = output.last_hidden_state

        handle = backbone(self._student).register_forward_hook(keep)
        attention = self._capture("student")
        try:
            with attention as states.attention:
                yield states
        finally:
            handle.remove()

    def teacher_signal(self, inputs: Mapping[str, Any], mask: torch.Tensor) -> TeacherSignal:
        """What the teacher says about the trained tokens of a batch.

        Args:
            inputs: The batch as the student gets it: input_ids [batch, length], masks, positions.
            mask: bool [batch, length]: positions whose next token is trained.

        Returns:
            One row for each True of `mask`, in the order of `hidden[mask]`.
        """
        if isinstance(self.teacher, CachedTeacher):
            return self.teacher.signal(inputs, mask)
        asked = {name: value for name, value in inputs.items() if name not in _NOT_FOR_THE_TEACHER}
        attention = self._capture("teacher")
        with torch.no_grad(), attention as relations:
            hidden = backbone(self.teacher)(**asked, use_cache=False).last_hidden_state
        return TeacherHeadSignal(
            hidden[mask.to(hidden.device)], output_head(self.teacher), relations
        )

    def loss(
        self,
        states: StudentStates,
        inputs: Mapping[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> dict[str, torch.Tensor]:
        """The named terms of one batch, unweighted, each with its graph.

        Args:
            states: Of the student's forward on the same batch.
            inputs: The batch, with its labels.
            num_items_in_batch: Trained tokens of the whole accumulated batch; None: those of this one.

        Returns:
            `distillation`: τ²·D, summed over the batch's trained tokens and divided by the number of tokens; with
            attention distillation `attention`: AD, times the batch's share of that number.

        Raises:
            ValueError: The student's backbone did not run, or left states of another length.
        """
        mask = trained_positions(inputs["labels"])
        tokens = mask.sum() if num_items_in_batch is None else num_items_in_batch
        hidden = self._hidden_of_tokens(states, mask)
        signal = self.teacher_signal(inputs, mask)
        total = divergence_sum(
            hidden,
            output_head(self._student),
            signal,
            words=self._words,
            temperature=self._args.distillation_temperature,
            divergence=self._args.distillation_divergence,
        )
        factor = self._args.distillation_temperature**2
        # As in TRL: a batch without trained tokens gives a finite zero.
        divisor = torch.as_tensor(tokens).to(total.device).clamp(min=1)
        terms = {"distillation": factor * total / divisor}
        if self._attention is not None and isinstance(signal, TeacherHeadSignal):
            # Of an accumulated batch this one has the share that it has of the trained tokens.
            share = mask.sum().to(total.device) / divisor
            relations = self._attention.loss(states.attention, signal.attention, inputs)
            terms["attention"] = share * relations.to(total.device)
        return terms

    def combined(
        self, cross_entropy: torch.Tensor, terms: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """The loss that is trained: (1 - w)·CE + w·τ²·D + γ·AD."""
        loss = torch.lerp(
            cross_entropy.float(), terms["distillation"], self._args.distillation_weight
        )
        if "attention" in terms:
            loss = loss + self._args.attention_distillation_weight * terms["attention"].to(
                loss.device
            )
        return loss

    def _capture(self, role: str) -> AbstractContextManager[dict[str, torch.Tensor]]:
        """Collects a model's attention states; empty without attention distillation."""
        return nullcontext({}) if self._attention is None else self._attention.capture(role)

    def _hidden_of_tokens(self, states: StudentStates, mask: torch.Tensor) -> torch.Tensor:
        """[trained tokens, width], without the virtual tokens of prompt tuning."""
        hidden = states.hidden
        if hidden is None or hidden.shape[1] < mask.shape[1]:
            found = "nothing" if hidden is None else f"states of shape {tuple(hidden.shape)}"
            raise ValueError(
                f"distillation: the student's backbone left {found} for a batch of {tuple(mask.shape)} tokens. Its "
                "forward must run it once on the whole batch."
            )
        hidden = hidden[:, hidden.shape[1] - mask.shape[1] :]
        # The head may be on another device where the model is spread over several.
        return hidden[mask.to(hidden.device)].to(output_head(self._student).weight.device)
