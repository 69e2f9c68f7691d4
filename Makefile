# The two commands of a newcomer: `make demo` plays the main job, `make test` runs every test. `make help` lists the rest.
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
# Where it is set, each of a hundred short processes would compile everything anew: two seconds each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo up test lint bench eval fidelity screenshots schema clean

help:  ## List what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(STAMP)  ## Play one customer's story end to end and write var/demo/transcript.md
	@$(BIN)/glue demo

up: $(STAMP)  ## Start the whole stack on this machine and leave it running (Ctrl-C stops it)
	@$(BIN)/glue up

test: $(STAMP)  ## Run all tests with branch coverage
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered $(ARGS)

lint: $(STAMP)  ## Style, types, layers, dependencies
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .

bench: $(STAMP)  ## Measure this machine and write docs/benchmarks.md
	@$(BIN)/python scripts/bench.py

eval: $(STAMP)  ## Score the dispatcher and write docs/evaluation.md and docs/evaluation-runs.md
	@$(BIN)/python scripts/evaluate.py
	@$(BIN)/python scripts/evaluate_runs.py

fidelity: $(STAMP)  ## Compare the sandboxes with recordings of the real systems
	@$(BIN)/python scripts/fidelity.py $(ARGS)

screenshots: $(STAMP)  ## Take every page in both themes and two widths into docs/screenshots
	@$(BIN)/python scripts/screenshots.py

schema: $(STAMP)  ## Rewrite the first migration from the tables (until the first release)
	@$(BIN)/python scripts/rewrite_schema.py

clean:  ## Remove what demo, tests and up left behind
	@rm -rf var .pytest_cache .mypy_cache .ruff_cache .coverage*

# A locked environment: exactly the versions and hashes of uv.lock. uv comes from PyPI when it is not installed.
$(STAMP): pyproject.toml uv.lock
	@set -euo pipefail; \
	uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
	  echo "Getting uv from PyPI"; \
	  $(PYTHON) -m venv $(VENV)-uv && $(VENV)-uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'; \
	  uv=$(VENV)-uv/bin/uv; \
	fi; \
	echo "Building the locked environment"; \
	UV_PROJECT_ENVIRONMENT=$(VENV) $$uv sync --frozen --all-extras --quiet --python $(PYTHON)
	@touch $@
