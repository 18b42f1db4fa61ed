"""PEFT adapters over ternary bases."""

from bitsft.adapters.load import load_adapter as load_adapter
from bitsft.adapters.ternary_lora import merge_ternary_adapter as merge_ternary_adapter
from bitsft.adapters.ternary_lora_config import TernaryLoraConfig as TernaryLoraConfig
