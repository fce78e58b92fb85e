# venom-tui. `make` lists what there is. Everything is installed into .venv; nothing else is written outside this folder,
# but the caches of pip and, with test-real, ~/.cache/venom-tui.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

ARGS ?=
T ?=
# Tests wait more than they compute: more of them than there are cores.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 6 ? n + 2 : 8)))
BIN_DIR ?= $(HOME)/.local/bin
ifneq ($(origin PYTHON),undefined)
export PYTHON
endif

PY := .venv/bin/python
# The Python of .venv tells in a moment whether all is there; any other Python 3 starts a first set-up.
BOOTSTRAP = python=$(PY); [ -x $$python ] || python=$$(command -v "$${PYTHON:-python3}") || \
	{ echo "make: venom-tui needs Python 3.11 or newer. Debian and Ubuntu: sudo apt install python3 python3-venv" >&2; exit 1; }; \
	$$python -E -s -S scripts/bootstrap.py
PYTEST = $(PY) -m pytest

.PHONY: help setup setup-dev run install uninstall test snapshots test-real soak soak-real bench check format lock docs stop clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## put everything that venom-tui needs into .venv
	@$(BOOTSTRAP)

setup-dev:
	@$(BOOTSTRAP) --dev

run: ## open venom-tui (set up first where needed); options: make run ARGS="--read-only"
	@$(BOOTSTRAP) && exec .venv/bin/venom-tui $(ARGS)

install: setup ## link venom-tui into ~/.local/bin (or BIN_DIR=…)
	@sh scripts/link.sh install "$(BIN_DIR)"

uninstall: ## remove that link
	@sh scripts/link.sh uninstall "$(BIN_DIR)"

test: setup-dev ## the tests; one file: make test T=tests/core/store
	@$(PYTEST) -n $(JOBS) --dist loadfile -m "not real and not soak" $(T)

snapshots: setup-dev ## accept the screens as they look now as the pictures that tests/ui/test_snapshots.py compares
	@$(PYTEST) --snapshot-update tests/ui/test_snapshots.py && git status --short tests/ui/__snapshots__

test-real: setup-dev ## the tests with real servers (5 GB, fetched once, kept in ~/.cache/venom-tui)
	@$(PY) -m scripts.real_components fetch && $(PYTEST) -m real $(T)

soak: setup-dev ## the full counts: 100 kills, 10,000 hostile texts, any keys, then soak-real (long)
	@VENOM_SOAK=1 VENOM_TEST_KILLS=100 $(PYTEST) -m "not real" --timeout 3600 $(T)
	@[ -n "$(T)" ] || $(MAKE) soak-real

soak-real: setup-dev ## those with a real Ollama, where test-real has fetched it: 30 kills of pulls, 200 sequences
	@VENOM_SOAK=1 $(PYTEST) -m real -k "kills or sequences" --timeout 3600 tests/real/test_pulls.py tests/real/test_sequences.py

bench: setup-dev ## the benchmarks; one: make bench ARGS=search
	@$(PY) -m benchmarks.run $(ARGS)

check: setup-dev ## lint, format, types, layers, lock
	@$(PY) -m scripts.check

format: setup-dev ## write the code as `make check` wants it
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format --quiet .

lock: setup-dev ## resolve the dependencies again; newest versions: make lock UPGRADE=1
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PY) -m pip install --quiet uv
	@$(PY) scripts/lock.py $(if $(UPGRADE),--upgrade)

docs: setup-dev ## write the pages of docs/ that are made from the program
	@$(PY) -m scripts.docs

stop: ## unload what venom-tui loaded and end what it started
	@[ ! -x .venv/bin/venom-tui ] || .venv/bin/venom-tui stop

clean: ## remove .venv and everything made by tools (not your data)
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
