# Everything runs in .venv, which is made from the lock files and made again when they change.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
# Dagster looks for a newer version of itself otherwise.
export DAGSTER_DISABLE_TELEMETRY := yes
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALLED := $(VENV)/.installed

.PHONY: help install models demo up test test-gpu soak check audit format docs bench lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /|/' | column -t -s'|'

install: $(INSTALLED) ## Set up .venv

# Three files from one resolve: wheels; what has no wheel, built by the setuptools of the first; and
# torch, whose wheel differs by machine (CPU, CUDA), so that its hash cannot be fixed here.
LOCKS := requirements.lock requirements-source.lock requirements-torch.lock
PIP_INSTALL := $(PYTHON) -m pip install --quiet

$(INSTALLED): $(LOCKS) pyproject.toml
	@python=$$(command -v python3.11 || command -v python3); \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "The studio needs Python 3.11; found $$("$$python" --version)." >&2; exit 1; }; \
	[ -x $(PYTHON) ] || "$$python" -m venv $(VENV)
	@echo "Installing the locked packages; this takes a few minutes the first time."
	@$(PIP_INSTALL) --no-deps --only-binary :all: --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --require-hashes -r requirements-source.lock
	@$(PIP_INSTALL) --only-binary torch -r requirements-torch.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@# PyMatting compiles all it has on its first import, a minute of work, and keeps it.
	@$(PYTHON) -c 'import pymatting'
	@touch $@

models: install ## Get the weights of the embedded models
	@$(VENV)/bin/studio models pull --embedded

demo: models ## Start the studio, grade a photo, master a song, show the result, stop
	@$(PYTHON) -m studio_pipelines.demo

up: install ## Run the studio until Ctrl-C
	@$(VENV)/bin/studio up

# A folder of its own: as root the database runs as another user, who has to reach it, and pytest
# shuts its usual folder to others whenever another session starts.
PYTEST := tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; $(PYTHON) -m pytest --basetemp="$$tmp/t"

# Two at a time: most tests wait for a process or compute on one core. A file's tests stay together,
# and so do the files that share a studio (tests/work_sharing.py).
test: models ## Run the tests
	@$(PYTEST) -m "not gpu and not soak" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-gpu: install ## Run the tests that need a CUDA device
	@$(PYTEST) -m gpu

soak: models ## Run the long checks, and keep their figures in bench/results; ONLY=FILE for some
	@$(PYTHON) -m tests.soak.in_turn $(ONLY)

check: install ## Lint, format, types, import rules, and what bandit knows to be unsafe
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/pyright --pythonpath $(PYTHON)
	$(VENV)/bin/lint-imports
	$(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive api resources studio_pipelines

# Strict: a package that the service of vulnerabilities does not know has not been looked up.
audit: install ## Look the locked packages up among known vulnerabilities; needs the internet
	$(VENV)/bin/uv tool run pip-audit --strict --disable-pip --no-deps $(LOCKS:%=--requirement %)

format: install ## Format the code and mend what lint can mend
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

docs: install ## Write what the documentation tells of the code anew: docs/errors.md
	$(PYTHON) -m api.error_catalogue > docs/errors.md

bench: install ## Measure beside the peers
	$(PYTHON) -m bench

# Torch's CUDA packages come with its wheel where there is one, so they leave the file with it.
MACHINE_BOUND := ^(torch|triton|cuda-[a-z-]+|nvidia-[a-z0-9-]+)==
WITHOUT_WHEEL := ^pyvips==

lock: install ## Lock what pyproject.toml asks for; UPGRADE=1 takes the newest versions
	cat $(LOCKS) > $(VENV)/resolved.lock
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev $(if $(UPGRADE),--upgrade) --python-version 3.11 --quiet \
	  --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	  $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"} --output-file $(VENV)/resolved.lock
	rm -f $(LOCKS)
	awk '/^[a-z0-9]/ { file = "requirements.lock" } \
	  /$(MACHINE_BOUND)/ && !/^nvidia-ml-py==/ { file = "/dev/null" } \
	  /$(WITHOUT_WHEEL)/ { file = "requirements-source.lock" } \
	  /^torch==/ { sub(/[+ ].*/, ""); print > "requirements-torch.lock" } \
	  { print > file }' $(VENV)/resolved.lock

clean: ## Remove the environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
