.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/uv pip install --quiet --python $(BIN)/python
PROJECTS := pyproject.toml gen/python/pyproject.toml clients/python/pyproject.toml

.PHONY: help setup runtime lock
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.dev ## make .venv with everything: runtime, tests, checks, generation

runtime: $(VENV)/.runtime

$(VENV)/.bootstrap: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Gladhand needs Python 3.11 or newer, this is {v[0]}.{v[1]}: run make with PYTHON=/path/to/python3.11")'
	@echo "setting up $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.runtime: $(VENV)/.bootstrap requirements/runtime.txt requirements/tracks.txt $(PROJECTS)
	@echo "installing what the services need"
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --require-hashes --no-deps -r requirements/tracks.txt
	@$(PIP) --no-deps --no-build-isolation -e gen/python -e clients/python -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "installing what tests, checks and generation need"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: $(VENV)/.bootstrap ## pin every requirements file with its hashes (UPGRADE=1 takes newer versions)
	@cd requirements && for set in bootstrap runtime dev; do \
	  ../$(LOCK) $(if $(UPGRADE),--upgrade) $$set.in -o $$set.txt; done
	@cd requirements && ../$(LOCK) --no-deps tracks.in -o tracks.txt
	@cd deploy/tryton && ../../$(LOCK) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.txt

# ---- contract ----------------------------------------------------------------------------------------------------

.PHONY: gen clients release corpus
gen: $(VENV)/.dev ## generate gen/ and docs/contract from proto/
	@$(BIN)/python -m tools.generate
	@$(BIN)/python -m tools.generate_typescript
	@$(BIN)/python -m tools.document

clients: $(VENV)/.dev ## generate Go and Java from the contract into .clients/
	@$(BIN)/python -m tools.generate_clients

release: $(VENV)/.dev ## freeze the contract as proto/released/$(VERSION).binpb, e.g. VERSION=v1.0.0
	@$(BIN)/gladhand contracts release $(VERSION)

corpus: $(VENV)/.dev ## add what the golden corpus of $(VERSION) lacks; nothing that exists is rewritten
	@$(BIN)/python -m tools.corpus $(VERSION)

# ---- run ---------------------------------------------------------------------------------------------------------

.PHONY: demo up down bench
demo: $(VENV)/.runtime ## an order travels from a real ERP to a posted invoice
	@$(BIN)/gladhand demo $(ARGS)

up: $(VENV)/.runtime ## start the mesh in the foreground
	@$(BIN)/gladhand up $(ARGS)

down: $(VENV)/.runtime ## stop a mesh that runs detached
	@$(BIN)/gladhand down $(ARGS)

bench: $(VENV)/.dev ## measure against bare gRPC and bare JetStream
	@$(BIN)/python -m bench $(ARGS)

# ---- tests and checks --------------------------------------------------------------------------------------------

# Folders that hold Python; mypy refuses an empty one.
SOURCES := $(sort $(foreach room,gladhand services clients tests tools bench examples deploy,\
	$(if $(shell find $(room) -name '*.py' -print -quit 2>/dev/null),$(room))))

.PHONY: test test-all check lint types contract fmt clean
test: $(VENV)/.dev ## every test but the slow ones (ARGS="tests/unit -k order" for some)
	@$(BIN)/pytest -q -m "not slow" $(ARGS)

.PHONY: simulate
simulate: $(VENV)/.dev ## SEEDS=n runs of the orchestrator with seeded faults, or one by SEED=n (ARGS="--trace")
	@$(BIN)/python -m tests.simulation.seeded.main $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100)) $(ARGS)

test-all: $(VENV)/.dev ## every test
	@$(BIN)/pytest -q $(ARGS)

check: $(VENV)/.dev ## style, types, contract, freshness of generated code; goes on to the end
	@$(MAKE) --no-print-directory --keep-going lint types contract
	@echo "check: clean"

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/ruff format --quiet --check $(SOURCES) || { echo "not formatted: run make fmt"; $(BIN)/ruff format --check $(SOURCES); }

types: $(VENV)/.dev
	@$(BIN)/mypy --no-error-summary $(SOURCES)

contract: $(VENV)/.dev
	@$(BIN)/python -m tools.check_contract
	@$(BIN)/python -m tools.generate --check
	@$(BIN)/python -m tools.document --check
	@$(BIN)/python -m tools.generate_typescript --check

fmt: $(VENV)/.dev ## format code and contract
	@$(BIN)/ruff check --quiet --fix-only $(SOURCES)
	@$(BIN)/ruff format --quiet $(SOURCES)
	@$(BIN)/buf format -w

clean: ## remove the environment, state and caches (a running mesh is stopped first)
	@if test -x $(BIN)/gladhand && test -d .gladhand; then $(BIN)/gladhand down || true; fi
	@rm -rf $(VENV) .gladhand .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info {gen,clients}/python/*.egg-info \
	  .clients gen/typescript/node_modules examples/clients/typescript/{node_modules,dist} examples/clients/java/target
