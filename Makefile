# Everything runs in .venv, which is made on first use: make demo, make test.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CHECKERS := $(VENV)/.checkers
BENCHERS := $(VENV)/.benchers

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(INSTALLED) ## how many North Korean soldiers are in Russia?
	@$(BIN)/python -m reliability demo

.PHONY: test
test: $(INSTALLED) ## all tests, and every example in the documentation
	@$(BIN)/python -m pytest

.PHONY: check
check: $(CHECKERS) ## lint, formatting, types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

.PHONY: bench
bench: $(BENCHERS) ## speed beside other packages
	@$(BIN)/python benchmarks/speed/combine.py
	@$(BIN)/python benchmarks/speed/many.py

.PHONY: accuracy
accuracy: $(INSTALLED) ## does the reported error bound the true one? (an hour)
	@$(BIN)/python benchmarks/accuracy/error_bound.py --problems 10000 --seed 1

.PHONY: clean
clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "reliability needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "The module venv is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[plot,test]"
	@touch $@

# The same lists as the dependency groups of pyproject.toml, for pips that do not know groups.
$(CHECKERS): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  "mypy>=1.13" "ruff>=0.9" "scipy-stubs>=1.14"
	@touch $@

$(BENCHERS): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  "pymare>=0.0.5" "statsmodels>=0.14"
	@touch $@
