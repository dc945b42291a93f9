# Two commands set everything up on a fresh machine with Python >= 3.11 and make: `make demo` and `make test`.
# Every target first makes what it needs, says what it does in few lines, and keeps long logs in .venv/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/setup.done
PROJECTS := . models firmware_sim dashboard
DIST ?= dist

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench soak wheels lock clean

help: ## this list
	@echo "Wayside: an edge gateway that keeps identities on the street."
	@echo
	@awk -F ' *## *' '/^[a-z]+:.*## /{sub(/:.*/, "", $$1); printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "PYTHON=python3.13 chooses the interpreter for .venv; DEMO_ARGS, BENCH_ARGS and TEST_ARGS are passed on."

setup: $(STAMP) ## the virtual environment .venv, from hash-locked requirements
	@echo "setup: $(VENV) is ready"

$(STAMP): requirements/dev.txt scripts/setup.sh $(PROJECTS:%=%/pyproject.toml)
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV)

demo: $(STAMP) ## a simulated street, two gateways and the dashboard, in one terminal (DEMO_ARGS="--seconds 60 --headless")
	@sh scripts/parts.sh --optional mosquitto
	@$(BIN)/wayside demo $(DEMO_ARGS)

test: $(STAMP) ## all tests but the soak; real parts are used where they are (CI=true: must be)
	@sh scripts/parts.sh
	@$(BIN)/python -m pytest $(TEST_ARGS)

check: $(STAMP) ## format, lint, types and the house tests
	@echo "check: format" && $(BIN)/ruff format --check --quiet . || { echo "check: the files above are not formatted; run: make format" >&2; exit 1; }
	@echo "check: lint" && $(BIN)/ruff check --quiet .
	@echo "check: types" && $(BIN)/mypy
	@echo "check: house" && $(BIN)/python -m pytest -q tests/house

format: $(STAMP) ## format the code and mend what can be mended safely
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(STAMP) ## the benchmark: method, percentiles, and what it does not cover (BENCH_ARGS)
	@$(BIN)/wayside bench $(BENCH_ARGS)

soak: $(STAMP) ## the tests that run for minutes
	@sh scripts/parts.sh
	@$(BIN)/python -m pytest -m soak $(TEST_ARGS)

wheels: $(STAMP) ## four wheels into dist/: wayside (a device needs no other), wayside-models, wayside-sim, wayside-dashboard
	@for project in $(PROJECTS); do (cd $$project && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(abspath $(DIST))) || exit 1; done

lock: ## requirements/*.txt anew from pyproject.toml, with hashes and without index addresses
	@PYTHON="$(PYTHON)" sh scripts/lock.sh

clean: ## remove what make and the tools made (.venv, caches, builds)
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
