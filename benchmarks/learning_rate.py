"""Which learning rate fine-tuning wants, dense and ternary: the second table of docs/numerics.md.

    python benchmarks/learning_rate.py

A two-layer Llama learns the demo's KoAlpaca rows from random weights (400 AdamW steps at 3e-3), once dense and
once ternary; each is then fine-tuned for 150 steps on the questions and answers of the RAFT rows, without their
documents. Three seeds. Printed: the mean loss of the last 20 steps.
"""

import json
import statistics
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import hold_codes, replace_linear_with_bitlinear

BASE_STEPS, STEPS, BATCH, LENGTH, SEEDS = 400, 150, 16, 48, (0, 1, 2)
LEARNING_RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def encoded(tokenizer: PreTrainedTokenizerFast, rows: list[str]) -> torch.Tensor:
    return torch.tensor(
        tokenizer(rows, padding="max_length", truncation=True, max_length=LENGTH)["input_ids"]
    )


def train(
    model: LlamaForCausalLM, ids: torch.Tensor, steps: int, learning_rate: float, seed: int
) -> float:
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    with hold_codes(model):
        for _ in range(steps):
            batch = ids[torch.randint(len(ids), (BATCH,), generator=generator)]
            labels = batch.masked_fill(batch == model.config.pad_token_id, -100)
            loss = model(input_ids=batch, labels=labels).loss
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return statistics.mean(losses[-20:])


def main() -> None:
    base_rows = [r["instruction"] + " " + r["output"] for r in load_demo_rows("train_koalpaca")]
    rows = [r["question"] + " " + r["answer"] for r in load_demo_rows("train_raft")]
    tokenizer = train_tokenizer(base_rows + rows, 800)
    base_ids, ids = encoded(tokenizer, base_rows), encoded(tokenizer, rows)
    table: dict[str, dict[str, list[float]]] = {"dense": {}, "ternary": {}}
    for kind, results in table.items():
        for seed in SEEDS:
            base = new_llama(tokenizer, hidden_size=64, layers=2, heads=2, seed=seed)
            if kind == "ternary":
                replace_linear_with_bitlinear(base)
            train(base, base_ids, BASE_STEPS, 3e-3, seed)
            start = {name: tensor.clone() for name, tensor in base.state_dict().items()}
            for learning_rate in LEARNING_RATES:
                base.load_state_dict(start)
                loss = train(base, ids, STEPS, learning_rate, seed + 100)
                results.setdefault(f"{learning_rate:g}", []).append(round(loss, 3))
        for learning_rate, losses in results.items():
            print(
                f"{kind:8} lr {learning_rate:6} loss {statistics.mean(losses):.3f} {losses}",
                flush=True,
            )
    Path(__file__).with_suffix(".json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
