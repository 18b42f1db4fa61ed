"""A small Llama and its tokenizer, started from nothing: for the demo, for trying things out, for tests.

The tokenizer is a byte-level BPE (no unknown tokens, so Hangul is safe) trained on the texts at hand; the
model has random weights. A model of this size learns the rows it sees and little else: real work starts
from a pretrained checkpoint.
"""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAD, BOS, EOS = "<pad>", "<s>", "</s>"

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '### ' + message['role'] + ':\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}{{- message['content'] + eos_token }}{% endgeneration %}{{- '\n' }}"
    "{%- else %}{{- message['content'] + '\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '### assistant:\n' }}{%- endif %}"
)
"""Roles in plain words; marks the assistant's turns for `assistant_only_loss`."""


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2000) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer.

    Args:
        texts: What it should be good at.
        vocab_size: Upper bound on the number of tokens; at least 300 (256 bytes and the special tokens).

    Returns:
        A tokenizer with pad, bos, eos and a chat template. It adds no special tokens by itself.

    Raises:
        ValueError: `vocab_size` is below 300.
    """
    if vocab_size < 300:
        raise ValueError(f"vocab_size is {vocab_size}; a byte-level vocabulary needs at least 300.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def new_llama(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden_size: int = 256,
    layers: int = 4,
    heads: int = 4,
    intermediate_size: int | None = None,
    max_length: int = 1024,
    initializer_range: float = 0.02,
    mimetic_attention: bool = False,
    seed: int = 0,
) -> LlamaForCausalLM:
    """A Llama with random weights and tied embeddings; the global random state stays as it was.

    Args:
        tokenizer: Gives the size of the vocabulary and the special ids.
        hidden_size: Width; a multiple of 4 · heads.
        layers: Number of transformer blocks.
        heads: Attention heads.
        intermediate_size: Width of the MLP; default 3 · hidden_size.
        max_length: Longest sequence, in tokens.
        initializer_range: Standard deviation of the weights. For a narrow model that is to learn within
            minutes, 1/√hidden_size works better than Llama's 0.02.
        mimetic_attention: Start from W_k = W_q and W_o = W_vᵀ, as in arXiv 2305.09828: tokens attend to equal
            tokens and pass them on, so that copying from the context is learned sooner.
        seed: Of the random weights.

    Returns:
        A float32 model.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=intermediate_size or 3 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=max_length,
        initializer_range=initializer_range,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    if mimetic_attention:
        with torch.no_grad():
            for layer in model.model.layers:
                attention = layer.self_attn
                attention.k_proj.weight.copy_(attention.q_proj.weight)
                attention.o_proj.weight.copy_(attention.v_proj.weight.t())
    return model
