"""Ternary patches: what a fine-tuning changed in a ternary model, as a small file."""
