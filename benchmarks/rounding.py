"""Which ways of keeping weights ternary learn at all: the table of docs/numerics.md.

    python benchmarks/rounding.py

A two-layer Llama from random weights learns the demo's KoAlpaca rows for 200 AdamW steps. Only the ternary
matrices are trained. Four ways, each with three seeds:

- latent: float weights behind the codes, straight-through gradients (projection="latent");
- nearest: no latents, after each step every weight is rounded to the nearest point of the grid. bitsft does
  not offer this; it is here to show why;
- stochastic: the same with stochastic rounding, straight to the codes (arXiv 2412.04787). bitsft rounds to 64ths of a
  code instead (docs/latent_free.md).

Printed per learning rate: the mean loss of the last 20 steps and the share of codes that differ from the start.
"""

import json
import statistics
from pathlib import Path

import torch

from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import hold_codes, replace_linear_with_bitlinear, ternary_layers
from bitsft.ternary.quantize import round_to_grid_stochastically, ternary_codes

STEPS, BATCH, LENGTH, SEEDS = 200, 16, 48, (0, 1, 2)
LEARNING_RATES = (1e-4, 1e-3, 1e-2)


def batches(seed: int) -> tuple[torch.Tensor, object]:
    rows = [row["instruction"] + " " + row["output"] for row in load_demo_rows("train_koalpaca")]
    tokenizer = train_tokenizer(rows, 600)
    encoded = tokenizer(rows, padding="max_length", truncation=True, max_length=LENGTH)["input_ids"]
    return torch.tensor(encoded), tokenizer


def train(way: str, learning_rate: float, seed: int) -> tuple[float, float]:
    ids, tokenizer = batches(seed)
    model = new_llama(tokenizer, hidden_size=64, layers=2, heads=2, seed=seed)  # type: ignore[arg-type]
    replace_linear_with_bitlinear(model)
    layers = ternary_layers(model).values()
    weights = [layer.weight for layer in layers]
    start = [layer.ternary()[0].clone() for layer in layers]
    if way != "latent":
        for layer in layers:
            layer.move_to_grid_()
    scales = [layer.ternary()[1].clone() for layer in layers]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    with hold_codes(model):
        for _ in range(STEPS):
            batch = ids[torch.randint(len(ids), (BATCH,), generator=generator)]
            labels = batch.masked_fill(batch == tokenizer.pad_token_id, -100)  # type: ignore[attr-defined]
            loss = model(input_ids=batch, labels=labels).loss
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if way != "latent":
                with torch.no_grad():
                    for weight, scale in zip(weights, scales, strict=True):
                        if way == "nearest":
                            codes = ternary_codes(weight, scale)
                        else:
                            codes = round_to_grid_stochastically(weight, scale, generator)
                        weight.copy_(codes * scale)
        changed = sum(
            int((layer.ternary()[0] != s).sum()) for layer, s in zip(layers, start, strict=True)
        )
    total = sum(weight.numel() for weight in weights)
    return statistics.mean(losses[-20:]), changed / total


def main() -> None:
    table = []
    for learning_rate in LEARNING_RATES:
        for way in ("latent", "nearest", "stochastic"):
            runs = [train(way, learning_rate, seed) for seed in SEEDS]
            losses, changes = zip(*runs, strict=True)
            table.append(
                {
                    "learning_rate": learning_rate,
                    "way": way,
                    "loss": [round(loss, 3) for loss in losses],
                    "changed": [round(change, 4) for change in changes],
                }
            )
            print(
                f"lr {learning_rate:<8g}{way:12}loss {statistics.mean(losses):.3f} "
                f"({min(losses):.3f} to {max(losses):.3f})   codes changed {statistics.mean(changes):.2%}",
                flush=True,
            )
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
