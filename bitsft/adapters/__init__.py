"""PEFT adapters over ternary bases."""

from bitsft.adapters.load import load_adapter as load_adapter
