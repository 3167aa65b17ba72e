# Everything here works on a machine that has Python 3.11+ and make; `make help` lists the words.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
BIN := .venv/bin
UV := .venv/share/uv/bin/uv

.PHONY: help setup demo test check lint format up down doctor clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
	  || grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

setup: .venv/.installed ## environment, container engine, base image, front end (each skipped when done)
	@exec $(BIN)/clawbench setup

demo: .venv/.installed ## set everything up, start, run the canary, keep serving (ONESHOT=1: stop after the canary)
	@exec $(BIN)/clawbench demo $(if $(filter-out 0,$(ONESHOT)),--oneshot)

test: .venv/.installed ## set everything up (Chromium too) and run the whole suite
	@$(BIN)/clawbench setup --tests
	@$(guard)
	@exec $(BIN)/python -m pytest $(ARGS)

check: .venv/.installed ## lint, format, types, import directions, fast tests
	@$(call timed,packages not shadowed,$(guard))
	@$(call timed,ruff check,$(BIN)/ruff check .)
	@$(call timed,ruff format,$(BIN)/ruff format --check .)
	@$(call timed,pyright,$(BIN)/pyright)
	@$(call timed,lint-imports,$(BIN)/lint-imports)
	@$(call timed,fast tests,$(BIN)/python -m pytest -q -n 2 -m "not docker and not browser and not slow" $(ARGS))

lint: .venv/.installed ## ruff, with the fixes it can make
	@$(BIN)/ruff check --fix .

format: .venv/.installed ## ruff format
	@$(BIN)/ruff format .

up: .venv/.installed ## start the platform and serve until stopped
	@exec $(BIN)/clawbench up

down: .venv/.installed ## stop the platform and destroy its sandboxes
	@exec $(BIN)/clawbench down

doctor: .venv/.installed ## say what is there, what is missing, and the remedy
	@exec $(BIN)/clawbench doctor

clean: ## stop the platform, remove what was built; data in .data stays
	@if [ -x $(BIN)/clawbench ]; then $(BIN)/clawbench down; fi
	@rm -rf .venv .web .states .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The root comes first on sys.path here, so a stray __init__.py in mcp/ or alembic/ would win over the packages.
guard = $(BIN)/python -c 'import mcp.server, alembic.command' \
  || { echo 'mcp/ or alembic/ shadows the installed package: remove its __init__.py' >&2; exit 1; }

timed = echo "== $(1)"; SECONDS=0; $(2) || { echo "== $(1) failed after $${SECONDS} s" >&2; exit 1; }; echo "== $(1): $${SECONDS} s"

.venv/bin/python:
	@for name in python3 python3.13 python3.12 python3.11; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$${python:-}" ]; then echo 'No Python 3.11 or newer was found: install python3 (Debian: apt-get install python3).' >&2; exit 1; fi; \
	echo "== environment: .venv with $$($$python --version)" >&2; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  package="$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	  if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "Python's venv module is missing: install it (Debian: sudo apt-get install $$package)." >&2; exit 1; fi; \
	  echo "== environment: apt-get install $$package" >&2; \
	  install() { DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$$package" >/dev/null; }; \
	  install 2>/dev/null || { apt-get update -qq >/dev/null && install; }; \
	fi; \
	"$$python" -m venv .venv

$(UV): | .venv/bin/python
	@echo "== environment: uv $(UV_VERSION)" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/share/uv --upgrade uv==$(UV_VERSION)

.venv/.installed: requirements.lock pyproject.toml $(UV)
	@echo "== environment: packages of requirements.lock" >&2
	@VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
