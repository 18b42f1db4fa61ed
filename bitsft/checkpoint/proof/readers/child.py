"""The process that reads a checkpoint with somebody else's code: stock transformers, or llama.cpp.

    python -c "import runpy; ..." child.py transformers FOLDER GGUF_OR_- DTYPE THREADS
    python -c "import runpy; ..." child.py llama.cpp FILE CONTEXT THREADS

Run by its path, never imported by bitsft: here importing bitsft fails, so what is computed owes it nothing.
Requests come as lines of JSON on stdin, answers go as lines of JSON to stdout; logits lie in a safetensors
file that the request names.

    (start)                        -> {"runtime", "model", "vocab_size", "positions", "activations",
                                       "missing", "mismatched", "unexpected"}
    {"ids": [...], "file": path}   -> {}             float32 [tokens, vocab] under the key "logits"
    {"text": "..."}                -> {"ids": [...]}  llama.cpp only; special tokens added and read

Whatever libraries print goes to stderr. An exception ends the process, with its traceback there.
"""

import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def main(arguments: list[str]) -> None:
    """Load, say what was loaded, then answer until stdin ends."""
    sys.modules["bitsft"] = None  # type: ignore[assignment]  # importing it raises from now on
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that a library's print cannot end up among the answers
    runtime, *rest = arguments
    description, answer = (_llama_cpp if runtime == "llama.cpp" else _transformers)(*rest)
    print(json.dumps(description), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


def _transformers(
    folder: str, gguf_file: str, dtype: str, threads: str
) -> tuple[dict[str, Any], Answer]:
    import torch
    import transformers
    from safetensors.torch import save_file

    if gguf_file != "-":
        # On Python 3.10, importlib cannot tell which distribution brings `gguf`; transformers then asks the
        # module for its version, which it does not say, and stumbles over "N/A".
        import gguf

        vars(gguf).setdefault("__version__", importlib.metadata.version("gguf"))
    torch.set_num_threads(int(threads))
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are refused by name
        **({} if gguf_file == "-" else {"gguf_file": gguf_file}),
    )
    model.eval()
    config = model.config.get_text_config()
    description = {
        "runtime": f"transformers {transformers.__version__}",
        "model": type(model).__name__,
        "vocab_size": config.vocab_size,
        "positions": getattr(config, "max_position_embeddings", None),  # Mamba's has none
        "activations": "floats"
        if gguf_file != "-"  # whatever its config says, the weights are dequantized
        else _activations(getattr(model.config, "quantization_config", None)),
        "missing": sorted(loading["missing_keys"]),
        "mismatched": sorted(
            f"{name} ({list(found)} in the file, {list(wanted)} in the model)"
            for name, found, wanted in loading["mismatched_keys"]
        ),
        "unexpected": sorted(loading["unexpected_keys"]),
    }

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        with torch.no_grad():
            logits = model(torch.tensor([request["ids"]]), use_cache=False).logits[0]
        save_file({"logits": logits.float().contiguous()}, request["file"])
        return {}

    return description, answer


def _activations(quantization: Any) -> str:
    """`Side.activations` of a model with this `quantization_config`: a dict, an object or None."""
    if quantization is None:
        return "floats"
    values = quantization if isinstance(quantization, dict) else vars(quantization)
    packed = values.get("quant_method") == "bitnet" and values.get("linear_class") == "bitlinear"
    return "int8 per token" if packed else "other"


def _llama_cpp(file: str, context: str, threads: str) -> tuple[dict[str, Any], Answer]:
    import llama_cpp
    from safetensors.numpy import save_file

    llama = llama_cpp.Llama(
        file,
        n_ctx=int(context),
        n_threads=int(threads),
        n_threads_batch=int(threads),
        logits_all=True,
    )
    description = {
        "runtime": f"llama.cpp (llama-cpp-python {llama_cpp.__version__})",
        "model": llama.metadata.get("general.architecture", "unknown"),
        "vocab_size": llama.n_vocab(),
        "positions": llama_cpp.llama_model_n_ctx_train(llama.model),
        "activations": "other",
        "missing": [],
        "mismatched": [],
        "unexpected": [],
    }

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "text" in request:
            return {"ids": llama.tokenize(request["text"].encode(), add_bos=True, special=True)}
        llama.reset()
        llama.eval(request["ids"])
        save_file({"logits": llama.scores[: len(request["ids"])].copy()}, request["file"])
        return {}

    return description, answer


if __name__ == "__main__":
    main(sys.argv[1:])
