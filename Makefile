# Every target sets itself up in .venv with any Python >= 3.11 it finds; nothing else is needed.
#   make demo PYTHON=python3.13         another interpreter
#   make test PACKAGE=dist/x.whl        test this wheel instead of the working tree
#   make test ARGS="-k salesforce -x"   arguments for pytest

VENV    ?= .venv
PACKAGE ?= -e .
ARGS    ?=
SEEDS   ?= 10000
SEED    ?=
KILLS   ?= 200
LEDGERS ?= ledger.db
PYTHON  ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

bin := $(VENV)/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint types docs serve-docs bench sim kills examples clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1:: /p' $(MAKEFILE_LIST) | awk -F':: ' '{printf "  make %-12s %s\n", $$1, $$2}'

# One stamp a set of packages: made once, made anew when pyproject.toml changes.

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 with venv found (Debian: apt install python3 python3-venv); name one with PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(bin)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.package: $(VENV)/pyvenv.cfg pyproject.toml
	$(bin)/python -m pip install --quiet $(PACKAGE)
	@touch $@

$(VENV)/.%: $(VENV)/.package
	$(bin)/python -m pip install --quiet $(PACKAGE) --group $*
	@touch $@

setup: $(VENV)/.dev  ## everything a contributor needs, in .venv

demo: $(VENV)/.package  ## predictions into a CRM, end to end, against the built-in emulator
	$(bin)/aumconnect demo

test: $(VENV)/.test  ## the tests
	$(bin)/python -m pytest $(or $(ARGS),-n auto -q)

lint: $(VENV)/.lint  ## ruff, formatting, layers
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/lint-imports

types: $(VENV)/.lint $(VENV)/.test  ## mypy, strict
	$(bin)/mypy

docs: $(VENV)/.docs  ## build the documentation, warnings are errors
	$(bin)/mkdocs build --strict

serve-docs: $(VENV)/.docs  ## read the documentation while writing it
	$(bin)/mkdocs serve

examples: $(VENV)/.test  ## train the example's model anew and carry its predictions over
	$(bin)/python examples/customer_value/run.py

sim: $(VENV)/.package  ## the engine in simulated time, SEEDS=10000 of them, or one with SEED=4711
	$(bin)/python -m aumconnect.testing.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

kills: $(VENV)/.test  ## SIGKILL runs KILLS=200 times each, with LEDGERS="ledger.db postgresql://..."
	@for ledger in $(LEDGERS); do for operation in upsert insert; do \
		echo "$$operation, $$ledger:"; \
		$(bin)/python tests/writeback/killloop.py --kills $(KILLS) --operation $$operation --ledger "$$ledger" || exit 1; \
	done; done

bench: $(VENV)/.bench  ## the benchmarks
	$(bin)/python -m benchmarks $(ARGS)

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
