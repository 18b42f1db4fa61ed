"""A GGUF file of a tiny ternary Llama, written here by hand: an oracle apart from bitsft's own writer."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.ternary import BitLinear158

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_llama_gguf(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    path: Path,
    *,
    tensor_type: str = "F32",
    permute: bool = True,
    tokens: list[str] | None = None,
) -> None:
    """`permute=False` and `tokens` in another order make the two classic mistakes."""
    config = model.config
    heads = config.num_attention_heads
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.all_special_tokens)
    ordered = sorted(bpe["vocab"], key=bpe["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens or ordered)
    kinds = (gguf.TokenType.CONTROL, gguf.TokenType.NORMAL)
    writer.add_token_types([kinds[token not in special] for token in tokens or ordered])
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)

    def add(name: str, weight: torch.Tensor, kind: str = "F32") -> None:
        array = weight.detach().to(torch.float32).numpy()
        kind_number = gguf.GGMLQuantizationType[kind]
        data = array if kind == "F32" else quantize(np.ascontiguousarray(array), kind_number)
        writer.add_tensor(name, data, raw_dtype=kind_number)

    add("token_embd.weight", model.model.embed_tokens.weight)
    add("output_norm.weight", model.model.norm.weight)
    for number, layer in enumerate(model.model.layers):
        for name, gguf_name in NAMES.items():
            module = layer.get_submodule(name)
            weight, kind = module.weight, "F32"
            if isinstance(module, BitLinear158):
                codes, scale = module.ternary()
                weight, kind = codes * scale, tensor_type
            if permute and gguf_name in ("attn_q", "attn_k"):
                rows = weight.shape[0]
                weight = weight.reshape(heads, 2, rows // heads // 2, -1).transpose(1, 2)
                weight = weight.reshape(rows, -1)
            add(f"blk.{number}.{gguf_name}.weight", weight, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
