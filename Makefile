# On a machine with Python 3.11 or newer and make:
#   make compose   a new 64-bar melody: tune.mid, tune.svg, tune.wav (no PyTorch; about 200 MB in .venv)
#   make test      every check; installs the training and development extras first
#   make reference docs/reference.md, out of the requests
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS := 1

.PHONY: compose test lint reference clean

compose: .venv/running
	$(BIN)/cantilena compose

test: .venv/developing lint
	$(BIN)/pytest

lint: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: .venv/running
	$(BIN)/python docs/make_reference.py

.venv/running: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cantilena needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/developing: .venv/running
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[train,dev]'
	touch $@

clean:
	rm -rf .venv
