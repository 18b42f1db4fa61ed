"""Learning from a full-precision teacher beside the labels."""
