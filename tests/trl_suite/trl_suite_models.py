"""Tiny tokenizers and models in place of those that TRL's tests load from the Hub.

- tokenizers: byte-level BPE trained in memory on TRL's test data, with each family's special tokens
  and the chat template that the installed TRL ships (TRL compares templates as text);
- models: two layers, hidden size 8, random bfloat16 weights from a fixed seed. The sizes are those
  of TRL's own `scripts/generate_tiny_models`, which need real tokenizers and the Hub's API.

Limit: no image-text models, whose processors are not made here.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from trl_suite_datasets import fixed_seeds

VOCAB_SIZE = 1024
SIZES = {
    "hidden_size": 8,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@dataclass(frozen=True)
class TinyTokenizer:
    """The special tokens of one family; `template` is a file name in `trl/chat_templates`."""

    eos: str
    pad: str | None = None
    bos: str | None = None
    others: tuple[str, ...] = ()
    template: str | None = None


@dataclass(frozen=True)
class TinyModel:
    """One model folder: its transformers `model_type`, its tokenizer, what differs from `SIZES`."""

    model_type: str
    tokenizer: TinyTokenizer
    config: dict[str, Any] = field(default_factory=dict)
    remote_code: bool = False


QWEN_OTHERS = ("<|im_start|>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
QWEN2 = TinyTokenizer("<|im_end|>", "<|endoftext|>", None, QWEN_OTHERS, "qwen2_5.jinja")
QWEN3 = TinyTokenizer(
    "<|im_end|>", "<|endoftext|>", None, (*QWEN_OTHERS, "<think>", "</think>"), "qwen3.jinja"
)
GPT_OSS = TinyTokenizer(
    "<|return|>",
    "<|endoftext|>",
    "<|startoftext|>",
    ("<|start|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|end|>", "<|call|>"),
    "gptoss.jinja",
)
GPT_NEOX = TinyTokenizer("<|endoftext|>")
PLAIN = TinyTokenizer("</s>", "<pad>", "<s>")

MOE = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
TINY_MODELS = {
    "tiny-Cohere2ForCausalLM": TinyModel("cohere2", PLAIN, {"logit_scale": 1.0}),
    "tiny-GPTNeoXForCausalLM": TinyModel("gpt_neox", GPT_NEOX),
    "tiny-Glm4MoeForCausalLM": TinyModel(
        "glm4_moe",
        PLAIN,
        {**MOE, "n_routed_experts": 4, "head_dim": 2, "attention_bias": True, "use_qk_norm": True},
    ),
    "tiny-GptOssForCausalLM": TinyModel(
        "gpt_oss", GPT_OSS, {"num_local_experts": 4, "num_experts_per_tok": 2}
    ),
    "tiny-Lfm2ForCausalLM": TinyModel(
        "lfm2", PLAIN, {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8}
    ),
    "tiny-Lfm2ForCausalLM-2.5": TinyModel(
        "lfm2",
        PLAIN,
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    ),
    "tiny-NemotronHForCausalLM-nano": TinyModel(
        "nemotron_h",
        PLAIN,
        {
            **MOE,
            "hidden_size": 16,
            "layers_block_type": ["mamba", "attention", "moe"],
            "mamba_num_heads": 8,
            "mamba_head_dim": 4,
            "mamba_n_groups": 1,
            "ssm_state_size": 16,
            "n_routed_experts": 4,
            "moe_shared_expert_intermediate_size": 32,
        },
    ),
    "tiny-Olmo3ForCausalLM": TinyModel("olmo3", PLAIN),
    "tiny-Qwen2ForCausalLM-2.5": TinyModel("qwen2", QWEN2),
    "tiny-Qwen3ForCausalLM": TinyModel("qwen3", QWEN3, {"head_dim": 128}),
    "tiny-Qwen3MoeForCausalLM": TinyModel(
        "qwen3_moe",
        QWEN3,
        {"num_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": True, "head_dim": 128},
    ),
    "tiny-RemoteForCausalLM": TinyModel("llama", PLAIN, remote_code=True),
}


def train_tokenizer(spec: TinyTokenizer, texts: list[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of at most `VOCAB_SIZE` tokens with the family's special tokens."""
    special = [token for token in (spec.pad, spec.bos, spec.eos, *spec.others) if token is not None]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    template = None
    if spec.template is not None:
        folder = Path(trl.__file__).parent / "chat_templates"
        template = (folder / spec.template).read_text(encoding="utf-8")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=spec.bos,
        eos_token=spec.eos,
        pad_token=spec.pad,
        chat_template=template,
    )


def build_model(folder: Path, spec: TinyModel, texts: list[str]) -> None:
    """Save a random model (bfloat16, seed 0) and its tokenizer to `folder`."""
    tokenizer = train_tokenizer(spec.tokenizer, texts)
    sizes = {**SIZES, **spec.config}
    if "layers_block_type" in sizes:  # the list of block types sets the number of layers
        del sizes["num_hidden_layers"]
    config = AutoConfig.for_model(
        spec.model_type,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )
    with fixed_seeds():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        # Xavier, as in TRL's own tiny models: the default 0.02 leaves gradients of a model with
        # eight channels so small that a step of Adam can round to nothing.
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def add_remote_code(folder: Path, code: Path) -> None:
    """Turn the Llama in `folder` into TRL's model with custom code, from the checkout's files."""
    for name in ("configuration_remote.py", "modeling_remote.py"):
        shutil.copy(code / name, folder / name)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model_type"] = "remote"
    config["architectures"] = ["RemoteForCausalLM"]
    config["auto_map"] = {
        "AutoConfig": "configuration_remote.RemoteConfig",
        "AutoModelForCausalLM": "modeling_remote.RemoteForCausalLM",
    }
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
