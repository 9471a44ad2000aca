# Every target sets up .venv/ by itself; what commands leave behind goes to out/. Another Python: make PYTHON=python3.13
#
#   make certify    the whole campaign against the bundled four-thirds module, or against another: make certify IUT=URI
#   make test       the tests of opalink itself
#   make lint       style, types, imports, and that generated files are fresh
#   make generate   derive everything again after a change in spec/
#   make bench      measure against peers; writes bench/results.json
#   make selfcheck  measure the suite: mutants, also of code, the zoo, legal variation; goes on where it was stopped
#   make docs       build the document into out/docs/html
#   make clean      remove whatever the above have made

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

export HYPOTHESIS_STORAGE_DIRECTORY := out/cache/hypothesis

.PHONY: certify test lint generate bench selfcheck docs clean
.DELETE_ON_ERROR:

certify: .venv/.ready-run
	$(BIN)/opalink certify $(if $(IUT),'$(IUT)')

test: .venv/.ready
	$(BIN)/pytest --numprocesses auto --dist worksteal

lint: .venv/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --cache-dir out/cache/import-linter
	$(BIN)/opalink generate all --check

generate: .venv/.ready
	$(BIN)/opalink generate all
	$(BIN)/python -m tests.differential.evidence

bench: .venv/.ready
	$(BIN)/python -m bench

selfcheck: .venv/.ready
	$(BIN)/opalink selfcheck --jobs 2

docs: .venv/.ready
	$(BIN)/python docs/build.py

clean:
	rm -rf .venv out build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# Two stamps: whoever only certifies does not wait for the tools of whoever develops. The build runs in the
# environment itself, so that setuptools is pinned too and nothing is downloaded twice.
.venv/.ready-run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'opalink needs Python 3.11 or newer: name one with "make PYTHON=python3.12".' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) setuptools
	$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/.ready: .venv/.ready-run
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@
