.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
m ?=
SOURCE ?= simulate
FILE ?=

.PHONY: help setup demo test test-stack lint golden golden-update migrate migration check bench format lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else "candlewave needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Choose another with: make PYTHON=python3.12" % (sys.executable, v[0], v[1]))'
	@echo "Making $(VENV) from requirements.lock (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@awk '/^uv==/{p=1} p{print} p&&!/\\$$/{exit}' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.ready ## Make .venv from the lock (every other target does it too)

demo: setup ## Live candles and indicators in the browser; SOURCE=simulate|kraken|file FILE=trades.csv.gz
	@$(BIN)/candlewave demo --source $(SOURCE) $(if $(FILE),--file $(FILE))

test: setup ## All tests that need nothing but Python
	@$(BIN)/pytest -n 2 --dist worksteal

test-stack: setup ## Tests on RISINGWAVE_URL and KAFKA_BOOTSTRAP_SERVERS
	@$(BIN)/pytest -m stack
	@$(BIN)/pytest tests/golden

lint: setup ## ruff, mypy, SQL lint, lock file
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/candlewave lint
	@$(BIN)/python scripts/check_lock.py

golden: setup ## Golden SQL cases (embedded engine, or RISINGWAVE_URL)
	@$(BIN)/pytest tests/golden

golden-update: setup ## Rewrite the expected golden rows; review the diff
	@$(BIN)/pytest tests/golden --golden-update

migrate: setup ## Apply migrations to the engine
	@$(BIN)/candlewave migrate

migration: setup ## Write the next revision: make migration m="what changes"
	@$(BIN)/candlewave migration -m "$(m)"

check: setup ## Fail when sql/ and the head migration differ
	@$(BIN)/candlewave check

bench: setup ## Measure; prints a table
	@$(BIN)/python -m benchmarks

format: setup ## Format the Python code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup ## Resolve the lock file anew for Python 3.11 to 3.13
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml -o requirements.lock

clean: ## Remove .venv and caches (not your data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
