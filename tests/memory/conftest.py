import pytest
from transformers import LlamaConfig


@pytest.fixture
def small_config() -> LlamaConfig:
    """Two layers; 36,864 linear weights in each, 16,384 values in the tied embedding, 320 in norms."""
    return LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
