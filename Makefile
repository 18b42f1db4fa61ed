# make demo   train a small ternary model on Korean rows and look at the result
# make test   run every test
# make check  linters, types and tests: what CI runs
#
# Each target makes the virtual environment where none is and installs the versions in constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint check bench clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/bitsft demo

# One thread a worker: two workers with two threads each would slow each other down (docs/performance.md).
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

bench: $(STAMP)
	$(BIN)/python benchmarks/projection.py
	$(BIN)/python benchmarks/rounding.py
	$(BIN)/python benchmarks/learning_rate.py
	$(BIN)/python benchmarks/cpu/training.py
	$(BIN)/python benchmarks/cpu/layer.py
	$(BIN)/python benchmarks/cpu/generation.py
	$(BIN)/python benchmarks/cpu/growth.py
	$(BIN)/python benchmarks/cpu/plots.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
