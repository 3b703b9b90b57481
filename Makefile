# On a machine with Python 3.11 or newer and make:
#   make compose   a new 64-bar melody: tune.mid, tune.svg, tune.wav (no PyTorch; about 200 MB in .venv)
#   make studio    a page in the browser, to see a tune, hear it and change it
#   make test      every check; installs the training and development extras first
#   make docs      the guides, the findings and the API reference as a site: site/index.html
#   make oldest    the tests with the oldest dependencies that pyproject.toml allows, in a place of their own
#   make fuzz      mutants to every way in, for MINUTES=10: what is not refused in a line is kept in fuzz/
#   make faults    kills, full disks and more, while commands run: a table of what came of it (docs/faults.md)
#   make audit     known vulnerabilities of what is installed, and the bill of materials: .audit/
#   make bench     what things cost, in one table: bench/table.md; ARCHIVE=songs.tar.xz measures extraction on it
#   make reference docs/reference.md, out of the requests
PYTHON ?= python3
BIN := .venv/bin
OLDEST := .oldest
AUDIT := .audit
MINUTES := 10
ARCHIVE :=# of MIDI files, for `make bench`
TESTS := # those of `make oldest`: all
export OMP_NUM_THREADS := 1

.PHONY: compose studio test lint fuzz faults audit bench reference docs oldest clean

compose: .venv/running
	$(BIN)/cantilena compose

studio: .venv/running
	$(BIN)/cantilena studio

test: .venv/developing lint
	$(BIN)/pytest --numprocesses=auto --dist=worksteal

lint: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/documenting
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

oldest:
	$(PYTHON) -m venv $(OLDEST)
	$(PYTHON) tests/oldest.py hub score train dev > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(OLDEST)/constraints.txt \
		--editable '.[hub,score,train,dev]'
	$(OLDEST)/bin/python -m pytest $(TESTS)

fuzz: .venv/developing
	$(BIN)/python tests/fuzz/fuzz.py $(MINUTES)

faults: .venv/developing
	$(BIN)/python tests/faults/faults.py

audit: .venv/running
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit cyclonedx-bom
	$(BIN)/pip freeze --exclude-editable > $(AUDIT)/requirements.lock
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file $(AUDIT)/sbom.json $(BIN)/python
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --requirement $(AUDIT)/requirements.lock

bench: .venv/developing
	$(BIN)/python benchmarks/bench.py bench "$(ARCHIVE)"

reference: .venv/running
	$(BIN)/python docs/make_reference.py

.venv/running: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cantilena needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/developing: .venv/running
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[score,train,dev]'
	touch $@

.venv/documenting: .venv/running
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv .oldest .audit site
