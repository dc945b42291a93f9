# `make demo` and `make test` set up everything on a new machine with Python >= 3.11 and make.
# Every target first makes its prerequisites, prints few lines, and keeps long logs in .venv/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/setup.done
PROJECTS := . models firmware_sim dashboard
DIST ?= dist

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench soak pictures wheels lock clean

help: ## show this list
	@echo "Wayside: an IoT edge gateway with on-device personalization."
	@echo
	@awk -F ' *## *' '/^[a-z]+:.*## /{sub(/:.*/, "", $$1); printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "PYTHON=python3.13 chooses the interpreter for .venv; DEMO_ARGS, BENCH_ARGS and TEST_ARGS are passed on."

setup: $(STAMP) ## make the virtual environment .venv from hash-locked requirements
	@echo "setup: $(VENV) is ready"

$(STAMP): requirements/dev.txt scripts/setup.sh $(PROJECTS:%=%/pyproject.toml)
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV)

demo: $(STAMP) ## run a simulated street, two gateways and the dashboard in one terminal (DEMO_ARGS="--world mall --seconds 60")
	@sh scripts/parts.sh --optional mosquitto
	@$(BIN)/wayside demo $(DEMO_ARGS)

test: $(STAMP) ## run all tests but the soak and those of `make check`; those that need Mosquitto, Chromium or PostgreSQL are skipped without them (CI=true: fail)
	@sh scripts/parts.sh
	@$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/house $(TEST_ARGS)

check: $(STAMP) ## check format, lint rules, types and the house tests
	@echo "check: format" && $(BIN)/ruff format --check --quiet . || { echo "check: the files above are not formatted; run: make format" >&2; exit 1; }
	@echo "check: lint" && $(BIN)/ruff check --quiet .
	@echo "check: types" && $(BIN)/mypy
	@echo "check: house" && $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/house

format: $(STAMP) ## format the code and apply safe fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(STAMP) ## run the benchmark; it prints its method, percentiles and limits (BENCH_ARGS)
	@$(BIN)/wayside bench $(BENCH_ARGS)

soak: $(STAMP) ## run the tests that take minutes
	@sh scripts/parts.sh
	@$(BIN)/python -m pytest -m soak $(TEST_ARGS)

pictures: $(STAMP) ## take the two pictures of the README anew from a running demonstration (needs Chromium)
	@sh scripts/parts.sh
	@$(BIN)/python -m tests.web.pictures

wheels: $(STAMP) ## build four wheels into dist/: wayside (for devices), wayside-models, wayside-sim, wayside-dashboard
	@for project in $(PROJECTS); do (cd $$project && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(abspath $(DIST))) || exit 1; done

lock: ## write requirements/*.txt from the pyproject.toml files, with hashes and without index addresses
	@PYTHON="$(PYTHON)" sh scripts/lock.sh

clean: ## remove .venv, caches and builds
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
