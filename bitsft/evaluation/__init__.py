"""Rows and a model in, answers and scores out."""
