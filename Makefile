# make demo   train a small ternary model on Korean rows and look at the result
# make test   run every test
# make check  linters, types and tests: what CI runs
# make bench  every benchmark for CPUs, an hour or two; benchmarks/gpu/run.py is the one for GPUs
#
# Each target makes the virtual environment where none is and installs the versions in constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CPU := benchmarks/cpu
FEW := --peers bitsft dense-autocast autobitlinear
EAGER := bitsft bitsft-held dense-bf16 packed-eager

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
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/projection.py
	$(BIN)/python benchmarks/rounding.py
	$(BIN)/python benchmarks/latent_free_memory.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/adapter_ways.py --plot docs/images/adapter_ways.png
	$(BIN)/python benchmarks/patch_sizes.py
	$(BIN)/python benchmarks/patch_switching.py
	$(BIN)/python benchmarks/patch_coding.py
	$(BIN)/python $(CPU)/distillation.py
	$(BIN)/python benchmarks/learning_rate.py
	$(BIN)/python $(CPU)/training.py --sizes 100M --rounds 6
	$(BIN)/python $(CPU)/training.py --sizes 10M $(FEW) --rounds 4 --json $(CPU)/training_10M.json
	$(BIN)/python $(CPU)/training.py --sizes 350M $(FEW) --rounds 3 --json $(CPU)/training_350M.json
	$(BIN)/python $(CPU)/training.py --sizes 100M $(FEW) --rounds 3 --checkpointing on --json $(CPU)/training_checkpointing.json
	$(BIN)/python $(CPU)/training.py --sizes 100M $(FEW) --rounds 3 --accumulation 8 --rows 1 --json $(CPU)/training_accumulation.json
	$(BIN)/python $(CPU)/adapters.py --checkpointing --threads 1 --rows 4 --row-tokens 256 --rounds 5 --targets attention --competitors packed packed-int8 nf4 lora-bf16
	$(BIN)/python $(CPU)/adapter_layer.py
	$(BIN)/python $(CPU)/step_profile.py
	$(BIN)/python $(CPU)/head_tiles.py
	$(BIN)/python $(CPU)/freezing.py --rounds 7 --rows 2 --row-tokens 128
	$(BIN)/python $(CPU)/layer.py
	$(BIN)/python $(CPU)/generation.py --rounds 4 --variants $(EAGER)
	$(BIN)/python $(CPU)/generation.py --rounds 3 --variants $(EAGER) --sizes 350M 1B --batches 1 --prompts 64 --json $(CPU)/generation_sizes.json
	$(BIN)/python $(CPU)/growth.py
	$(BIN)/python $(CPU)/plots.py
	$(BIN)/python benchmarks/data/pipeline.py
	$(BIN)/python benchmarks/data/near_duplicates.py
	$(BIN)/python benchmarks/data/near_duplicates_peer.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/evaluation/throughput.py --rows 192 --json benchmarks/evaluation/throughput.json

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
