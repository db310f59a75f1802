# `make help` lists the targets. Everything happens inside .venv; nothing else on the machine is touched but Debian packages.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
# One more than processors: much of a test is waiting for programs to start.
TEST_WORKERS ?= $(shell echo $$(($$(nproc) + 1)))
# Programs that tests measure against or drive: each a Debian package of the same name, or PACKAGE:PROGRAM.
# RUNLEVEL=1 below keeps apt-get from starting them as services.
PROGRAMS := chromium dovecot-imapd:dovecot nginx postgresql:postgres tmux wrk
# Where Debian keeps programs that are not for everybody's PATH.
MORE_PATHS := $(shell printf ':%s' /usr/sbin /usr/lib/postgresql/*/bin)

# pip speaks of its own version and of running as root; neither matters in an environment of our own.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_INPUT := 1
# Installing never lets pip take what is outside .venv for installed.
unexport PYTHONPATH PYTHONHOME
# Tests start a thousand processes of ours; without bytecode each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup programs demo test check bench soak requirements clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: $(STAMP) programs ## make .venv with everything pinned; quick when nothing changed

# What builds comes first, so that no build fetches anything that is not pinned.
# An environment of another Python is made anew: half of each does not run.
$(STAMP): requirements/build.txt requirements/test.txt requirements/redbot.txt server/pyproject.toml sdk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) was found. Name another: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "setup: installing python3-venv"; apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends python3-venv >/dev/null; \
	  else echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; fi
	@echo "setup: making $(VENV)"
	@origin='import sys; print(sys.base_prefix, sys.version)'; \
	if [ "$$($(BIN)/python -c "$$origin" 2>/dev/null)" = "$$($(PYTHON) -c "$$origin")" ]; then clear=; else clear=--clear; fi; \
	$(PYTHON) -m venv $$clear $(VENV)
	@echo "setup: installing the pinned requirements"
	@$(BIN)/python -m pip install -qq --require-hashes --requirement requirements/build.txt
	@$(BIN)/python -m pip install -qq --require-hashes --no-build-isolation --use-pep517 --requirement requirements/test.txt
	@echo "setup: installing sdk and server, editable"
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable sdk --editable server
	@echo "setup: making $(VENV)-redbot"
	@$(PYTHON) -m venv --clear $(VENV)-redbot
	@$(VENV)-redbot/bin/python -m pip install -qq --require-hashes --requirement requirements/build.txt
	@$(VENV)-redbot/bin/python -m pip install -qq --require-hashes --no-build-isolation --use-pep517 --requirement requirements/redbot.txt
	@touch $@

programs:
	@missing=(); for program in $(PROGRAMS); do PATH="$$PATH$(MORE_PATHS)" command -v $${program#*:} >/dev/null || missing+=($${program%:*}); done; \
	if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "setup: installing $${missing[*]} by apt-get"; log=$$(mktemp); \
	  if (apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends "$${missing[@]}") >"$$log" 2>&1; \
	  then rm -f "$$log"; exit 0; else cat "$$log" >&2; rm -f "$$log"; fi; \
	fi; \
	if [ -n "$${CI:-}" ]; then echo "setup: $${missing[*]} could not be installed, and in CI nothing is skipped" >&2; exit 1; fi; \
	echo "setup: tests that need $${missing[*]} are skipped; to get them: sudo apt-get install $${missing[*]}"

demo: setup ## show a made-up election night in this terminal
	@$(BIN)/skrutinium-server demo

test: setup ## set up, check, and run the tests (short forms of fuzz and load included)
	@$(MAKE) check
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not bench and not soak"

check: setup ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Some files are not formatted; run: $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

bench: setup ## measure; each benchmark prints its figure and its ratio to a yardstick
	@$(BIN)/python -m pytest tests/bench -s -p no:randomly --timeout 900

soak: setup ## long fuzz and load
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest tests/fuzz --timeout 5400
	@$(BIN)/python -m pytest tests/soak -m soak --timeout 5400

# Kept apart from .venv, so that the tool that pins is no part of what is tested. Headers name this target, no machine's options.
requirements: ## pin and hash requirements/*.txt again from requirements/*.in
	@$(PYTHON) -m venv --clear $(VENV)-tools
	@$(VENV)-tools/bin/python -m pip install -qq --require-hashes --requirement requirements/tools.txt
	@cd requirements && log=$$(mktemp) && for set in run build test redbot tools; do \
	  echo "requirements: $$set"; \
	  CUSTOM_COMPILE_COMMAND="make requirements" ../$(VENV)-tools/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe \
	    --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file $$set.txt $$set.in 2>"$$log" \
	    || { cat "$$log" >&2; exit 1; }; \
	done; rm -f "$$log"
	@rm -rf $(VENV)-tools

clean: ## remove .venv and everything that was made
	@rm -rf $(VENV) $(VENV)-redbot $(VENV)-tools dist build server/dist sdk/dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find server sdk tests -name __pycache__ -type d -prune -exec rm -rf {} +
