"""Bytes a weight while a matrix is trained: with latent weights and AdamW, and without.

    python benchmarks/latent_free_memory.py

Ternary matrices (by default 64 of 1024 x 1024, 67 million weights) get one gradient and one optimizer step. Counted are the
bytes of the tensors that outlive the step: weights, gradients, and the optimizer's state as it lies in memory; and the
growth of the process's resident memory from before the matrices to after the step, which holds the step's temporaries
as far as they were not given back. Each way runs in a process of its own.

"trainer" is the whole: `TernarySFTTrainer` makes a Llama of about as many ternary weights (hidden size 1024, 300 words, so that
little else is in it) and trains it for two steps of two accumulated batches of one short row; counted is the growth of the
process from before the model, activations, embeddings and everything else in it, divided by the ternary weights. There glibc
is told to map large blocks one by one (what MALLOC_MMAP_THRESHOLD_=131072 does from outside): otherwise freed matrices leave
holes in its heap, which are not the library's.
"""

import argparse
import ctypes
import json
import multiprocessing
import resource
import tempfile
from pathlib import Path
from typing import Any

import torch

from bitsft.ternary import BitLinear158
from bitsft.training.latent_free import LatentFreeOptimizer

WAYS = {
    "latent, AdamW, float32": torch.float32,
    "latent, AdamW, bfloat16": torch.bfloat16,
    "stochastic, float32": torch.float32,
    "stochastic, bfloat16": torch.bfloat16,
}


M_MMAP_THRESHOLD = -3
"""From glibc's malloc.h."""


def tensor_bytes(tensors: list[torch.Tensor]) -> int:
    return sum(t.untyped_storage().nbytes() for t in tensors)


def resident() -> int:
    """Largest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(way: str, size: int, matrices: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    dtype = WAYS[way]
    warm = BitLinear158(64, 64, bias=False, dtype=dtype)  # what the first use of anything loads
    LatentFreeOptimizer([warm])
    before = resident()
    layers = [BitLinear158(size, size, bias=False, dtype=dtype) for _ in range(matrices)]
    weights = [layer.weight for layer in layers]
    optimizer: torch.optim.Optimizer
    if way.startswith("latent"):
        optimizer = torch.optim.AdamW(weights, foreach=False)
    else:
        optimizer = LatentFreeOptimizer(layers)
    for weight in weights:
        weight.grad = torch.empty_like(weight).fill_(1e-3)
    optimizer.step()
    state = [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]
    count = size * size * matrices
    parts = {
        "weight": tensor_bytes(weights) / count,
        "gradient": tensor_bytes([w.grad for w in weights if w.grad is not None]) / count,
        "optimizer": tensor_bytes(state) / count,
    }
    return {
        **{name: round(value, 4) for name, value in parts.items()},
        "together": round(sum(parts.values()), 4),
        "process": round((resident() - before) / count, 2),
    }


def measure_trainer(projection: str, dtype: torch.dtype, layers: int) -> dict[str, Any]:
    from datasets import Dataset
    from transformers import LlamaForCausalLM

    from bitsft.scratch import new_llama, train_tokenizer
    from bitsft.ternary import ternary_layers
    from bitsft.training import TernarySFTConfig, TernarySFTTrainer

    torch.set_num_threads(1)
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 131072)
    tokenizer = train_tokenizer(["Seoul lies on the Han."], vocab_size=300)
    rows = Dataset.from_list([{"prompt": "Seoul lies", "completion": " on the Han."}] * 8)

    def train(hidden_size: int, layers: int) -> LlamaForCausalLM:
        model = new_llama(tokenizer, hidden_size=hidden_size, layers=layers, heads=8).to(dtype)
        with tempfile.TemporaryDirectory() as folder:
            args = TernarySFTConfig(
                folder,
                projection=projection,
                max_steps=2,
                per_device_train_batch_size=1,
                gradient_accumulation_steps=2,
                gradient_checkpointing=False,
                bf16=False,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            trainer = TernarySFTTrainer(model, args, train_dataset=rows, processing_class=tokenizer)
            trainer.train()
        return model

    train(64, 1)  # what the first use of anything loads
    before = resident()
    model = train(1024, layers)
    count = sum(layer.weight.numel() for layer in ternary_layers(model).values())
    return {"ternary weights": count, "process": round((resident() - before) / count, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--matrices", type=int, default=64)
    parser.add_argument("--layers", type=int, default=5, help="of the trainer's model")
    parser.add_argument("--json", default=str(Path(__file__).with_suffix(".json")))
    options = parser.parse_args()
    results = {}
    for way in WAYS:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            results[way] = pool.apply(measure, (way, options.size, options.matrices))
        print(f"{way:26}", results[way])
    trainers = {}
    for projection in ("latent", "stochastic"):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            arguments = (projection, torch.bfloat16, options.layers)
            trainers[projection] = pool.apply(measure_trainer, arguments)
        print(f"trainer, {projection}, bfloat16", trainers[projection])
    machine = {
        "torch": torch.__version__,
        "size": options.size,
        "matrices": options.matrices,
        "layers": options.layers,
    }
    Path(options.json).write_text(
        json.dumps({"setting": machine, "bytes": results, "trainer": trainers}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
