# Everything from a fresh checkout: `make demo` shows the main job, `make test` checks the whole.
# Needs Python 3.11 or newer; another interpreter: `make PYTHON=python3.13 test`.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo examples test lint types unit parity bench clean

help:  ## show the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "graphc needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[dev]'
	@touch $@

$(VENV)/parity.stamp: pyproject.toml $(VENV)/dev.stamp
	$(PIP) install --editable '.[dev,parity]'
	@touch $@

$(VENV)/bench.stamp: pyproject.toml $(VENV)/dev.stamp
	$(PIP) install --editable '.[dev,bench]'
	@touch $@

setup: $(VENV)/dev.stamp  ## make .venv and install graphc with its tools, once

demo: setup  ## train the digits network, compiled, and show what it came to
	$(BIN)/python examples/mlp_digits.py

examples: setup  ## run every example; pictures go to out/
	@set -e; for example in examples/*.py examples/*/export.py; do echo; echo "== $$example"; $(BIN)/python $$example; done

test: lint types unit  ## lint, types, all tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest --numprocesses $(WORKERS) --ignore tests/parity  # a core a worker

parity: $(VENV)/parity.stamp  ## compare with PyTorch and JAX, installing both
	$(BIN)/python -m pytest tests/parity

bench: $(VENV)/bench.stamp  ## time graphc beside its peers, installing them, and save the figures
	$(BIN)/python -m bench --save --plot

clean:  ## remove what was built or drawn, and .venv
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
