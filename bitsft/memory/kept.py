"""What lies in memory through all of a training, and gradients: sums over a model's tensors, from their shapes.

    ternary weights   latent 4 bytes a weight (float32), on the grid 2 (bfloat16), packed 1/4, int8 codes 1, dense 2;
                      NF4 with double quantization 1/2, a byte for each 64 weights and a float32 for each 256 of those bytes
    held codes        1 byte a weight, int8, beside latent weights (bitsft/ternary/linear.py)
    dense weights     embeddings, head, norms, biases, in the model's dtype
    adapters          rank · (in + out) values for each linear layer

The optimizer's step, beside its state (optimizer_state.py): torch's fused AdamW works in place. AdamW as
`projection="stochastic"` steps dense parameters makes two tensors of the size of the largest, while
that of the parameter before it is still there. bitsandbytes' 8-bit AdamW is one
kernel on a GPU; on a CPU (bitsandbytes/backends/cpu/ops.py) it unfolds a parameter to five float32 tensors of its size, and an
embedding, whose state is float32 anyway, to three.
"""

from math import prod

from transformers import PreTrainedConfig

from bitsft.memory.decoder import outline, ternary_names
from bitsft.memory.methods import Method
from bitsft.memory.optimizer_state import LATENT_FREE, optimizer_state_bytes


class KeptBytes:
    """Bytes of a model and a way to train it.

    Args:
        config: Of the model.
        method: How it is trained, with its dtype and optimizer.
        rank: Of the adapters.
        codes_in_memory: "packed" or "int8", for a packed base.

    Attributes:
        layers: Decoder layers.
        hidden: Width of the hidden states.
        vocabulary: Rows of the head.
        is_tied: The head is the embedding.
        linear_weights: Number of the weights of the layers that are ternary, quantized, or get an adapter.
        ternary: Bytes of those.
        codes: Bytes of the codes held beside them.
        dense: Bytes of all other tensors of the model.
        adapters: Bytes of the adapters.
        optimizer: Bytes of the optimizer's state.
        gradients: Bytes of all gradients.
        layer_gradients: Those of one decoder layer.
        head_gradient: That of the head.

    Raises:
        ValueError: The optimizer is not known, or no linear layer could be ternary.
    """

    def __init__(
        self, config: PreTrainedConfig, method: Method, rank: int, codes_in_memory: str
    ) -> None:
        self.method = method
        model = outline(config, method.dtype)
        text = config.get_text_config()
        self.layers, self.hidden = int(text.num_hidden_layers), int(text.hidden_size)
        names = ternary_names(model)
        linear = {name: model.get_submodule(name).weight for name in names}
        ids = {id(weight) for weight in linear.values()}
        dense = [p for p in model.parameters() if id(p) not in ids]
        embedding = model.get_input_embeddings().weight
        head = model.get_output_embeddings().weight
        self.is_tied = head is embedding
        self.vocabulary = len(head)
        item = method.dtype.itemsize
        shapes: list[tuple[int, int]] = [
            (int(w.shape[0]), int(w.shape[1])) for w in linear.values()
        ]
        self.linear_weights = sum(map(prod, shapes))
        self.ternary = sum(_base_bytes(shape, method, codes_in_memory) for shape in shapes)
        self.codes = self.linear_weights if method.base == "latent" else 0
        self.dense = item * sum(p.numel() for p in dense)
        factors = [f for out, width in shapes for f in ((rank, width), (out, rank))]
        self.adapters = 0
        trained: list[tuple[tuple[int, ...], int, bool, bool]]
        if method.adapter_dtype is not None:
            adapter_item = method.adapter_dtype.itemsize
            self.adapters = adapter_item * sum(map(prod, factors))
            trained = [(shape, adapter_item, False, False) for shape in factors]
            embedding_gradient = self.head_gradient = 0
        else:
            trained = [(shape, item, True, False) for shape in shapes]
            trained += [(tuple(p.shape), item, False, p is embedding) for p in dense]
            embedding_gradient = item * embedding.numel()
            self.head_gradient = item * head.numel()
        self.optimizer = 0
        for shape, itemsize, is_ternary, is_embedding in trained:
            state = optimizer_state_bytes(
                method.optim, shape, itemsize, is_ternary=is_ternary, is_embedding=is_embedding
            )
            if state is None:
                raise ValueError(
                    f"optim is {method.optim!r}, whose state is not known here; use adamw_torch_fused, adamw_bnb_8bit, "
                    "adafactor, sgd or another that docs/memory.md names."
                )
            self.optimizer += state
        self.gradients = sum(itemsize * prod(shape) for shape, itemsize, _, _ in trained)
        outside = embedding_gradient + (0 if self.is_tied else self.head_gradient)
        self.layer_gradients = (self.gradients - outside) // self.layers
        self._trained = trained

    def step_temporaries(self, on_cpu: bool) -> int:
        """What the optimizer's step makes beside its state and is gone after it; see above."""
        if self.method.optim == LATENT_FREE:
            dense = sorted(i * prod(shape) for shape, i, ternary, _ in self._trained if not ternary)
            return 2 * dense[-1] + sum(dense[-2:-1])
        if on_cpu and "8bit" in self.method.optim:
            return max(4 * (3 if emb else 5) * prod(shape) for shape, _, _, emb in self._trained)
        return 0


def _base_bytes(shape: tuple[int, int], method: Method, codes_in_memory: str) -> int:
    """Bytes of one linear weight as the method keeps it."""
    weights = prod(shape)
    if method.base == "packed":
        rows, columns = shape
        return 4 + (weights if codes_in_memory == "int8" else -(-rows // 4) * columns)
    if method.base == "nf4":
        blocks = -(-weights // 64)  # a byte of absmax each, and a float32 for each 256 of those
        return -(-weights // 2) + blocks + 4 * -(-blocks // 256)
    return method.dtype.itemsize * weights
