"""`model.generate()` with each layer's codes computed once a call instead of once a token.

Outside the trainer a layer computes its codes in every forward, because nothing tells it of every change of its weight.
Within one call of `generate` nobody changes weights, so the codes may be held (`hold_codes`) for that long. The model's own
`generate` does the work: arguments, cache, batching and results are its.

A model whose weights a logits processor or streamer edits between two tokens would go unnoticed only where that goes
around PyTorch's version counter.
"""

import functools
import weakref
from typing import Any

from transformers import GenerationMixin, PreTrainedModel

from bitsft.ternary.held_codes import hold_codes


class HoldingGenerate:
    """Stands in for `model.generate` on one model; copies and pickles with it.

    Args:
        model: A model that can generate; it is not kept alive.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = weakref.ref(model)
        functools.update_wrapper(self, GenerationMixin.generate)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        model = self._require_model()
        with hold_codes(model):
            return type(model).generate(model, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "HoldingGenerate":
        # The copy belongs to the copied model; copied without it, it still serves the original.
        model = self._require_model()
        return HoldingGenerate(memo.get(id(model), model))

    def __reduce__(self) -> tuple[Any, ...]:
        return HoldingGenerate, (self._require_model(),)

    def _require_model(self) -> PreTrainedModel:
        model = self._model()
        if model is None:
            raise ReferenceError("The model that this generate belongs to no longer exists.")
        return model


def hold_codes_while_generating(model: PreTrainedModel) -> None:
    """Let `model.generate` hold the codes of ternary layers; in place, and idempotent.

    Args:
        model: A transformers model; one that cannot generate stays as it is.
    """
    if model.can_generate() and "generate" not in vars(model):
        vars(model)["generate"] = HoldingGenerate(model)
