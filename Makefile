# `make demo` and `make test` set up everything they need in .venv; nothing else has to be installed first.

PYTHON ?= python3
BIN := .venv/bin
LOWEST := .venv-lowest
WORKERS ?= $(shell nproc)

.PHONY: demo test test-lowest docs setup clean

demo: setup
	$(BIN)/afanet demo

# Types are checked beside the tests, on a core that collecting them leaves idle.
test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) -m "not slow"; tests=$$?; \
		wait $$types && exit $$tests

# The same tests with the lowest versions that pyproject.toml states, without ExecuTorch, whose own bounds are higher.
test-lowest: $(LOWEST)/ready
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest -n $(WORKERS) -m "not slow"

docs: setup
	PYTHONPATH=docs/extensions $(BIN)/zensical build --clean --strict

setup: .venv/ready

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("afanet needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,executorch]'
	touch $@

$(LOWEST)/ready: pyproject.toml packaging/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python packaging/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --upgrade pip
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/lowest.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv $(LOWEST) build dist site src/*.egg-info .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
