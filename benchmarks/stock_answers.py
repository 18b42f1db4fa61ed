"""Does the saved model answer in stock transformers as it did when it was evaluated?

    TORCHDYNAMO_DISABLE=1 python benchmarks/stock_answers.py out out/answers/eval-2112.jsonl

Reads the prompts and predictions that `GenerationMetricsCallback` wrote at the last evaluation, answers the prompts
again with transformers alone (importing bitsft is made impossible), greedily, one at a time, and counts equal texts.
"""

import json
import sys
from pathlib import Path

sys.modules["bitsft"] = None  # type: ignore[assignment]

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402


def main() -> None:
    folder, answers = sys.argv[1], Path(sys.argv[2])
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    equal = 0
    for row in rows:
        ids = tokenizer(row["prompt"], return_tensors="pt").input_ids
        with torch.no_grad():
            output = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=32,
                do_sample=False,
                use_cache=True,
            )
        text = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
        equal += text == row["prediction"]
        if text != row["prediction"]:
            print(f"{row['prompt']!r}: {row['prediction']!r} then, {text!r} now")
    print(f"{equal} of {len(rows)} answers are the same")


if __name__ == "__main__":
    main()
