# One verb per job. Each makes its own environment on a fresh machine; it takes Python 3.11 or later, its headers and a
# C compiler (the joining library comes as source).

PYTHON ?= python3
# Test runs side by side; 0: one after another.
CORES ?= 2
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo demo-chains test chaos lint types bench asan clean

help: ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## Run the guided demonstration: a real daemon, real packs, a crash in the middle.
	@$(BIN)/lockstep demo

demo-chains: $(READY) ## Show it on two live EVM chains of its own, in four acts (fetches a node with npm, once).
	@$(BIN)/lockstep demo --chains

test: $(READY) ## Run every test, on two cores (CORES=2); those that need a Redis server start their own.
	@$(BIN)/python -m pytest -n $(CORES) --dist loadfile

chaos: $(READY) ## Kill, pause and starve what must survive it, for half an hour.
	@$(BIN)/python -m pytest -m slow

lint: $(READY) ## Check style, formatting and who imports whom.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(READY) ## Check types, strictly.
	@$(BIN)/mypy

bench: $(READY) ## Measure speed, beside the peers, on this machine.
	@$(BIN)/python -m tests.bench

asan: $(READY) ## Run the joining library's random programs under AddressSanitizer.
	@$(BIN)/python -m tests.support.asan

clean: ## Remove the environment and every cache.
	rm -rf .venv build dist .asan .anvil .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache ./*.egg-info

# The stamp is written last, so that an installation that broke off is begun again.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Lockstep needs Python 3.11 or later; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up .venv (once; about a minute)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
