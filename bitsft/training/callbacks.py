"""`ProjectionCallback`: tells the projection where the training loop stands."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from bitsft.training.projection import Projection


class ProjectionCallback(TrainerCallback):
    """Sets λ from the global step, and has codes computed anew at each step's first use.

    Args:
        projection: The trainer's projection.
        steps_in_backward: DeepSpeed steps the optimizer inside backward, where optimizer hooks see only its
            flat partitions: the projection then follows `on_optimizer_step`.
    """

    def __init__(self, projection: Projection, *, steps_in_backward: bool) -> None:
        self._projection = projection
        self._steps_in_backward = steps_in_backward

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._projection.set_strength(state.global_step, state.max_steps)  # after a resume, too
        self._projection.begin(state.global_step)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._projection.set_strength(state.global_step, state.max_steps)
        self._projection.drop_codes()

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._steps_in_backward:
            self._projection.after_optimizer_step(state.global_step)
