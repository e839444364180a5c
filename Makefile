# make quickstart | test | check | wheel | lock | tree | clean      (PYTHON=python3.12 picks another interpreter)
PYTHON ?= python3
VENV ?= .venv
RUN_EXTRAS = train,math
DEV_EXTRAS = $(RUN_EXTRAS),openai,dev
NEED_GIB = 4
JOBS ?= 2
# chosen by hand: the newest pair that vLLM installs beside
LOCK_PINS = torch==2.13.0 transformers==5.19.0

BIN = $(VENV)/bin
# a stamp is newer than what it was made from, so nothing is installed twice
READY = $(VENV)/.ready
READY_DEV = $(VENV)/.ready-dev

.PHONY: help quickstart setup setup-dev test check wheel lock tree clean
help:
	@sed -n 1p Makefile

quickstart: $(READY)
	@$(BIN)/optima quickstart

setup: $(READY)
setup-dev: $(READY_DEV)

test: $(READY_DEV)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

check: $(READY_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python

wheel: $(READY_DEV)
	@$(BIN)/python -m build --no-isolation --outdir dist

# a fresh environment without constraints, written down: the one lock file
lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --upgrade pip
	@build/lock/bin/python -m pip install --quiet $(LOCK_PINS) -e '.[$(DEV_EXTRAS),bench]'
	@build/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt
	@rm -rf build/lock && echo "constraints.txt: $$(wc -l < constraints.txt) packages"

# the file tree in the README, from the modules' own docstrings
tree:
	@$(PYTHON) tests/tree.py

clean:
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; ok = sys.version_info >= (3, 11); ok or print("error: Optima needs Python 3.11 or newer, but $(PYTHON) is", sys.version.split()[0] + "; run make PYTHON=python3.12 (any newer one)", file=sys.stderr); sys.exit(not ok)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@free=$$(df -Pk . | awk 'NR == 2 {print $$4}'); [ "$$free" -ge $$(($(NEED_GIB) * 1048576)) ] || { echo "error: the environment needs $(NEED_GIB) GiB of free disk here, and $$(($$free / 1024)) MiB are free (a CUDA build of torch needs about 10 GiB)" >&2; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(READY): pyproject.toml constraints.txt $(VENV)/pyvenv.cfg
	@echo "installing locked dependencies (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(RUN_EXTRAS)]'
	@touch $@

$(READY_DEV): pyproject.toml constraints.txt $(VENV)/pyvenv.cfg
	@echo "installing locked dependencies and the development tools (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(DEV_EXTRAS)]'
	@touch $@ $(READY)
