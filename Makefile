.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/uv pip install --quiet --python $(BIN)/python
PROJECTS := pyproject.toml gen/python/pyproject.toml

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
	@$(PIP) --no-deps --no-build-isolation -e gen/python -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "installing what tests, checks and generation need"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
lock: $(VENV)/.bootstrap ## pin requirements/*.in into *.txt with hashes (UPGRADE=1 takes newer versions)
	@cd requirements && for set in bootstrap runtime dev; do \
	  ../$(LOCK) $(if $(UPGRADE),--upgrade) $$set.in -o $$set.txt; done
	@cd requirements && ../$(LOCK) --no-deps tracks.in -o tracks.txt
