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
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from bitsft.training.distillation.divergence import head_divergence, top_k_divergence
from bitsft.training.distillation.options import DistillationOptions
from bitsft.training.distillation.output_head import backbone, output_head
from bitsft.training.distillation.signals import TeacherHeadSignal, TeacherSignal

_NOT_FOR_THE_TEACHER = ("labels", "shift_labels", "use_cache", "output_router_logits")


@dataclass
class StudentStates:
    """What one forward of the student left behind.

    Attributes:
        hidden: [batch, (virtual tokens +) length, width]: the backbone's last hidden states, with their graph.
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
        teacher: PreTrainedModel,
        args: DistillationOptions,
        student: nn.Module,
        words: int,
    ) -> None:
        self.teacher = teacher
        self._args = args
        self._student = student
        self._words = words

    @contextmanager
    def watching_student(self) -> Iterator[StudentStates]:
        """Catch what the losses need from the first forward of the student that runs inside."""
        states = StudentStates()

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if states.hidden is None:
                states.hidden = output.last_hidden_state

        handle = backbone(self._student).register_forward_hook(keep)
        try:
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
        asked = {name: value for name, value in inputs.items() if name not in _NOT_FOR_THE_TEACHER}
        with torch.no_grad():
            output = backbone(self.teacher)(**asked, use_cache=False)
        return TeacherHeadSignal(output.last_hidden_state[mask], output_head(self.teacher))

    def loss(
        self, states: StudentStates, inputs: Mapping[str, Any], tokens: torch.Tensor | int | None
    ) -> dict[str, torch.Tensor]:
        """The named terms of one batch, unweighted, each with its graph.

        Args:
            states: Of the student's forward on the same batch.
            inputs: The batch, with its labels.
            tokens: Trained tokens of the whole accumulated batch; None: those of this one.

        Returns:
            `distillation`: τ²·D, summed over the batch's trained tokens and divided by `tokens`.
        """
        raise NotImplementedError
