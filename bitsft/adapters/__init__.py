"""PEFT adapters over ternary bases."""
