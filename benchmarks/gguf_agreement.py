"""A trained ternary model in llama.cpp, in every tensor type: the table of docs/formats/gguf.md.

    python benchmarks/gguf_agreement.py                      the demo's rows, a fifth of them held out
    python benchmarks/gguf_agreement.py --text corpus.txt    any text (plain or .xz), its last tenth held out

A Llama of 256 x 4 layers learns the text from random weights, ternary from the first step, on one thread; then
bitsft writes it as GGUF and llama.cpp (llama-cpp-python) computes the logits of held-out text in windows of 512
tokens. Compared with the model itself: perplexity, the most likely token, mean difference of logits, KL
divergence. For scale: the same for the model without activation quantization, which is as far from the model as
llama.cpp's own way of quantizing activations (by blocks of 256 values instead of by token) may be.

Needs `pip install "bitsft[gguf]" llama-cpp-python`. Writes gguf_agreement.json beside this file (or --out).
"""

import argparse
import json
import lzma
import math
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.checkpoint.gguf.writer import write_gguf
from bitsft.checkpoint.source import source_from_model
from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import hold_codes, replace_linear_with_bitlinear, ternary_layers

VOCABULARY, HIDDEN, LAYERS, WINDOW = 2000, 256, 4, 512
BATCH, LEARNING_RATE = 4, 2e-3
LARGEST_TEXT = 8_000_000
TYPES = ("TQ2_0", "TQ1_0", "Q2_K", "Q4_0", "Q8_0", "F16")


def load_texts(path: Path | None) -> tuple[list[str], list[str]]:
    """Texts to learn from and texts held out."""
    if path is None:
        rows = [*load_demo_rows("train_raft"), *load_demo_rows("train_koalpaca")]
        texts = ["\n".join(str(value) for value in row.values()) for row in rows]
        random.Random(0).shuffle(texts)
    else:
        opener = lzma.open if path.suffix == ".xz" else open
        with opener(path, "rt") as file:
            texts = file.read(LARGEST_TEXT).splitlines()
    kept = len(texts) * 4 // 5 if path is None else len(texts) * 9 // 10
    return texts[:kept], texts[kept:]


def windows(texts: list[str], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """`[windows, WINDOW]` token ids of the texts in a row."""
    ids = [token for text in texts for token in tokenizer(text)["input_ids"]]
    return torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).reshape(-1, WINDOW)


def train(model: LlamaForCausalLM, data: Tensor, steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(0)
    with hold_codes(model):
        for step in range(steps):
            progress = (step + 1) / steps
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(10 * progress, 1 - progress + 1 / steps)
            batch = data[torch.randint(len(data), (BATCH,), generator=generator)]
            loss = model(input_ids=batch, labels=batch).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % 50 == 0 or step == steps - 1:
                print(f"step {step:4d}  loss {loss.item():.3f}", flush=True)


def bitsft_logits(model: LlamaForCausalLM, data: Tensor, activation_bits: int | None) -> Tensor:
    layers = ternary_layers(model).values()
    for layer in layers:
        layer.activation_bits = activation_bits
    with torch.no_grad():
        logits = torch.stack([model(row[None]).logits[0] for row in data])
    for layer in layers:
        layer.activation_bits = 8
    return logits


def llama_cpp_logits(path: Path, data: Tensor) -> Tensor:
    runtime = llama_cpp.Llama(
        str(path), n_ctx=WINDOW, logits_all=True, n_threads=1, n_threads_batch=1, verbose=False
    )
    found = []
    for row in data:
        runtime.reset()
        runtime.eval(row.tolist())
        found.append(torch.from_numpy(np.array(runtime.scores[:WINDOW])))
    runtime.close()
    return torch.stack(found)


def perplexity(logits: Tensor, data: Tensor) -> float:
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].double().flatten(0, 1), data[:, 1:].flatten()
    )
    return math.exp(losses.item())


def compare(reference: Tensor, logits: Tensor, data: Tensor) -> dict[str, float]:
    expected, found = (x.double().log_softmax(-1) for x in (reference, logits))
    base = perplexity(reference, data)
    value = perplexity(logits, data)
    return {
        "perplexity": value,
        "perplexity_percent": 100 * (value / base - 1),
        "top1_percent": 100 * (reference.argmax(-1) == logits.argmax(-1)).double().mean().item(),
        "mean_difference": (reference - logits).abs().double().mean().item(),
        "kl": (expected.exp() * (expected - found)).sum(-1).mean().item(),
    }


def measure(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, data: Tensor) -> Any:
    reference = bitsft_logits(model, data, 8)
    rows = {
        "bitsft": compare(reference, reference, data),
        "bitsft, float activations": compare(reference, bitsft_logits(model, data, None), data),
    }
    source = source_from_model(model)
    with tempfile.TemporaryDirectory() as folder:
        for kind in TYPES:
            path = Path(folder) / f"{kind}.gguf"
            written = write_gguf(source, path, tokenizer, gguf_type=kind, progress=False)
            ternary = [tensor for tensor in written if tensor.ternary]
            weights = sum(math.prod(tensor.shape) for tensor in ternary)
            rows[f"llama.cpp, {kind}"] = {
                **compare(reference, llama_cpp_logits(path, data), data),
                "bits_per_ternary_weight": 8 * sum(tensor.bytes for tensor in ternary) / weights,
                "file_megabytes": path.stat().st_size / 1e6,
            }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--text", type=Path, help="plain text or .xz; default: the demo's rows")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--windows", type=int, default=32, help="held-out windows of 512 tokens")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    texts, held_out = load_texts(arguments.text)
    tokenizer = train_tokenizer(texts, VOCABULARY)
    data = windows(held_out, tokenizer)[: arguments.windows]
    model = new_llama(tokenizer, hidden_size=HIDDEN, layers=LAYERS, initializer_range=HIDDEN**-0.5)
    replace_linear_with_bitlinear(model)
    start = time.perf_counter()
    train(model, windows(texts, tokenizer), arguments.steps)
    seconds = time.perf_counter() - start
    rows = measure(model.eval(), tokenizer, data)

    print(f"\n{data.numel()} held-out tokens, {arguments.steps} steps in {seconds:.0f} s\n")
    print(
        "| | perplexity | difference | same top-1 | mean difference of logits | KL | bits a weight |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        bits = row.get("bits_per_ternary_weight")
        print(
            f"| {name} | {row['perplexity']:.3f} | {row['perplexity_percent']:+.4f} % | "
            f"{row['top1_percent']:.2f} % | {row['mean_difference']:.4f} | {row['kl']:.1e} | "
            f"{'' if bits is None else f'{bits:.4f}'} |"
        )
    report = {
        "text": "demo rows" if arguments.text is None else arguments.text.name,
        "held_out_tokens": data.numel(),
        "steps": arguments.steps,
        "llama_cpp_python": llama_cpp.__version__,
        "results": {
            name: {key: float(f"{value:.6g}") for key, value in row.items()}
            for name, row in rows.items()
        },
    }
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
