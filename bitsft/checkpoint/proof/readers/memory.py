"""A reader of the model in memory: it computes in the dtype asked for, and the model stays as it is.

A bfloat16 model is compared in float32 like the files that hold it: float copies of its dense parameters
(embeddings, norms, biases) take their places for the length of a forward pass. The ternary layers need none,
since they turn a weight of any dtype into the same codes and γ.
"""

from contextlib import ExitStack
from functools import cached_property

import torch
from torch import Tensor
from transformers import PreTrainedModel

from bitsft.checkpoint.proof.readers.side import Activations, Side
from bitsft.metrics.inference_state import inference_state
from bitsft.ternary.held_codes import hold_codes
from bitsft.ternary.linear import ternary_layers
from bitsft.ternary.packed_linear import layers_with_codes


class ModelReader:
    """Logits of a model object.

    Args:
        model: A causal language model; training mode, gradients and config stay as they are.
        dtype: What to compute in.
    """

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        self._model = model
        self._dtype = dtype
        self._stack = ExitStack()
        ternary = {f"{name}.weight" for name in ternary_layers(model)}
        self._copies = {
            name: parameter.detach().to(dtype)
            for name, parameter in model.named_parameters()
            if parameter.is_floating_point() and parameter.dtype != dtype and name not in ternary
        }

    def __enter__(self) -> "ModelReader":
        self._stack.enter_context(inference_state(self._model))
        self._stack.enter_context(hold_codes(self._model))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @cached_property
    def side(self) -> Side:
        """What is compared."""
        config = self._model.config.get_text_config()
        count = len(layers_with_codes(self._model))
        layers = f"bitsft, {count} ternary layers" if count else "this process, no ternary layer"
        return Side(
            what="model in memory",
            model=type(self._model).__name__,
            runtime=f"{layers}, {str(self._dtype).removeprefix('torch.')}",
            vocab_size=config.vocab_size,
            # not every architecture has a position limit (Mamba, ALiBi), so not every config has this
            positions=getattr(config, "max_position_embeddings", None),
            activations=self._activations(),
        )

    def _activations(self) -> Activations:
        layers = layers_with_codes(self._model).values()
        rounded = {layer.activation_bits is not None for layer in layers}
        if len(rounded) == 2:
            return "other"
        return "int8 per token" if True in rounded else "floats"

    def logits(self, ids: Tensor) -> Tensor:
        """Logits of one text.

        Args:
            ids: Token ids, int64 `[tokens]`.

        Returns:
            `[tokens, vocab]`, on the CPU.
        """
        inputs = {"input_ids": ids.unsqueeze(0).to(self._model.device), "use_cache": False}
        with torch.no_grad(), torch.autocast(self._model.device.type, enabled=False):
            output = torch.func.functional_call(self._model, self._copies, (), inputs)
        logits: Tensor = output.logits[0]
        return logits.cpu()
