"""The parts of `benchmarks/quality.py`: data, variants, one training, its measures, the queue, tables and plots."""
