"""Does a saved model answer in stock transformers as it does in bitsft?

    python benchmarks/stock_answers.py out out/answers/eval-2112.jsonl

Takes the prompts that `GenerationMetricsCallback` wrote at an evaluation and has them answered greedily in float32,
twice: by the model with bitsft's layers, in batches, and in another process by transformers alone, where importing
bitsft is made impossible, one prompt at a time. Prints how many texts are equal; and, for comparison, how many equal
those of the evaluation, which ran in the trainer's precision (bf16 by default).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

MAX_NEW_TOKENS = 32

STOCK = """
import json, sys
sys.modules["bitsft"] = None
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
answers = []
for prompt in json.loads(sys.stdin.read()):
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=int(sys.argv[2]), do_sample=False
        )
    answers.append(tokenizer.decode(output[0, ids.shape[1]:], skip_special_tokens=True))
print(json.dumps(answers))
"""


def in_bitsft(folder: str, prompts: list[str]) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from bitsft import generate_completions, replace_linear_with_bitlinear

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    replace_linear_with_bitlinear(model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return generate_completions(
        model, tokenizer, prompts, max_new_tokens=MAX_NEW_TOKENS, batch_size=32
    )


def in_stock(folder: str, prompts: list[str]) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", STOCK, folder, str(MAX_NEW_TOKENS)],
        input=json.dumps(prompts),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
    )
    return json.loads(result.stdout.splitlines()[-1])


def main() -> None:
    folder, path = sys.argv[1], Path(sys.argv[2])
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    prompts = [row["prompt"] for row in rows]
    ours, stock = in_bitsft(folder, prompts), in_stock(folder, prompts)
    equal = sum(a == b for a, b in zip(ours, stock, strict=True))
    as_evaluated = sum(a == row["prediction"] for a, row in zip(stock, rows, strict=True))
    print(
        f"{equal} of {len(rows)} answers are the same in bitsft and in stock transformers (float32)"
    )
    print(f"{as_evaluated} of them are those of the evaluation while training")


if __name__ == "__main__":
    main()
