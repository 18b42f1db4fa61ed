"""bitsft: supervised fine-tuning of ternary (1.58-bit, BitNet b1.58) language models with Hugging Face TRL.

    from bitsft import TernarySFTConfig, TernarySFTTrainer

The public names are resolved at first use, so that `import bitsft` itself loads neither torch nor TRL.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitsft.adapters import TernaryLoraConfig as TernaryLoraConfig
    from bitsft.adapters import load_adapter as load_adapter
    from bitsft.adapters import merge_ternary_adapter as merge_ternary_adapter
    from bitsft.checkpoint import demo_model_path as demo_model_path
    from bitsft.checkpoint import load_demo_model as load_demo_model
    from bitsft.checkpoint import load_ternary as load_ternary
    from bitsft.checkpoint import save_ternary as save_ternary
    from bitsft.checkpoint import ternary_base_identity as ternary_base_identity
    from bitsft.checkpoint import verify as verify
    from bitsft.comparison import compare as compare
    from bitsft.data import format_koalpaca as format_koalpaca
    from bitsft.data import format_raft as format_raft
    from bitsft.data import format_rows as format_rows
    from bitsft.data import load_prepared as load_prepared
    from bitsft.data import prepare as prepare
    from bitsft.data import read_rows as read_rows
    from bitsft.data import token_budget as token_budget
    from bitsft.evaluation import evaluate_model as evaluate_model
    from bitsft.evaluation import load_evaluation as load_evaluation
    from bitsft.memory import predict_memory as predict_memory
    from bitsft.metrics import GenerationMetricsCallback as GenerationMetricsCallback
    from bitsft.metrics import Score as Score
    from bitsft.metrics import bleu as bleu
    from bitsft.metrics import chrf as chrf
    from bitsft.metrics import cosine_similarity as cosine_similarity
    from bitsft.metrics import generate_completions as generate_completions
    from bitsft.metrics import rouge as rouge
    from bitsft.patches import apply_patch as apply_patch
    from bitsft.patches import diff_checkpoints as diff_checkpoints
    from bitsft.patches import load_patch as load_patch
    from bitsft.patches import patch_checkpoint as patch_checkpoint
    from bitsft.patches import revert_patch as revert_patch
    from bitsft.ternary import BitLinear158 as BitLinear158
    from bitsft.ternary import insert_sub_norms as insert_sub_norms
    from bitsft.ternary import pack_model as pack_model
    from bitsft.ternary import replace_linear_with_bitlinear as replace_linear_with_bitlinear
    from bitsft.ternary import ternary_stats as ternary_stats
    from bitsft.training import DiagnosisCallback as DiagnosisCallback
    from bitsft.training import TernarySFTConfig as TernarySFTConfig
    from bitsft.training import TernarySFTTrainer as TernarySFTTrainer
    from bitsft.training import freeze_parameters as freeze_parameters
    from bitsft.training import merge_to_ternary as merge_to_ternary
    from bitsft.training import trainable_summary as trainable_summary

__version__ = "0.1.0"

_STAGE_OF = {
    "BitLinear158": "ternary",
    "DiagnosisCallback": "training",
    "GenerationMetricsCallback": "metrics",
    "Score": "metrics",
    "TernaryLoraConfig": "adapters",
    "TernarySFTConfig": "training",
    "TernarySFTTrainer": "training",
    "apply_patch": "patches",
    "bleu": "metrics",
    "chrf": "metrics",
    "compare": "comparison",
    "cosine_similarity": "metrics",
    "demo_model_path": "checkpoint",
    "diff_checkpoints": "patches",
    "evaluate_model": "evaluation",
    "format_koalpaca": "data",
    "format_raft": "data",
    "format_rows": "data",
    "freeze_parameters": "training",
    "generate_completions": "metrics",
    "insert_sub_norms": "ternary",
    "load_adapter": "adapters",
    "load_demo_model": "checkpoint",
    "load_evaluation": "evaluation",
    "load_patch": "patches",
    "load_prepared": "data",
    "load_ternary": "checkpoint",
    "merge_ternary_adapter": "adapters",
    "merge_to_ternary": "training",
    "pack_model": "ternary",
    "patch_checkpoint": "patches",
    "predict_memory": "memory",
    "prepare": "data",
    "read_rows": "data",
    "replace_linear_with_bitlinear": "ternary",
    "revert_patch": "patches",
    "rouge": "metrics",
    "save_ternary": "checkpoint",
    "ternary_base_identity": "checkpoint",
    "ternary_stats": "ternary",
    "token_budget": "data",
    "trainable_summary": "training",
    "verify": "checkpoint",
}

__all__ = ["__version__", *_STAGE_OF]


def __getattr__(name: str) -> Any:
    if name not in _STAGE_OF:
        raise AttributeError(f"module 'bitsft' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bitsft.{_STAGE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
