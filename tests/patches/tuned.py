"""A tiny base in a folder, and what a fine-tuning might have made of it."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedModel

from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.ternary import ternary_layers


def tune_(model: PreTrainedModel, share: float = 0.05, *, dense: bool = True) -> None:
    """Move some codes, every γ and, with `dense`, every other tensor a little; on the grid before and after."""
    layers = ternary_layers(model)
    ternary = {f"{name}.weight" for name in layers}
    with torch.no_grad():
        for layer in layers.values():
            codes, scale = layer.ternary()
            steps = torch.randint(1, 3, codes.shape) * (torch.rand(codes.shape) < share)
            codes = ((codes + 1 + steps) % 3 - 1).to(torch.int8)
            layer.weight.copy_(codes * (scale * 1.01).to(layer.weight.dtype))
            layer.on_grid = True
        for name, parameter in model.named_parameters():
            if dense and name not in ternary:
                parameter.add_(torch.randn_like(parameter), alpha=1e-4)


def save_pair(
    model: PreTrainedModel, root: Path, format: str = "transformers", **options: object
) -> tuple[Path, Path]:
    """A base and its tuned form in two folders."""
    base, tuned = root / "base", root / "tuned"
    save_ternary(model, base, format, **options)  # type: ignore[arg-type]
    (base / "tokenizer.json").write_text("{}")
    on_grid = load_ternary(base) if format == "transformers" else model
    tune_(on_grid)
    save_ternary(on_grid, tuned, format, **options)  # type: ignore[arg-type]
    (tuned / "tokenizer.json").write_text("{}")
    (tuned / "notes.txt").write_text("tuned")
    config = json.loads((tuned / "config.json").read_text())
    (tuned / "config.json").write_text(json.dumps({**config, "note": "tuned"}))
    return base, tuned


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of the files of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def state_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of everything a model holds."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def differing(before: dict[str, torch.Tensor], model: torch.nn.Module) -> list[str]:
    """Names of tensors whose bytes are not as before."""
    return [
        name
        for name, value in model.state_dict().items()
        if not torch.equal(
            before[name].contiguous().view(torch.uint8) if value.dim() else before[name],
            value.contiguous().view(torch.uint8) if value.dim() else value,
        )
    ]
