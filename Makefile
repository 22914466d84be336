# Two commands matter: `make demo` and `make test`. Each makes the virtual
# environment first; a second start installs nothing.
# `make docs` and `make test-all` add what builds the documentation to it.

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
DEMO_ARGS ?=
TEST_ARGS ?=
# Two test processes of one thread each: a file's tests stay together.
TEST_WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 "$(VENV_PYTHON)" -m pytest -q -n $(TEST_WORKERS) --dist loadfile
# Some tests twice, since oneDNN has other kernels on other processors. Status 5 of pytest's:
# TEST_ARGS chose none of them.
AVX2_LAP = ONEDNN_MAX_CPU_ISA=AVX2 $(PYTEST) $(TEST_ARGS) -m "processor and not slow" || [ $$? -eq 5 ]

VENV_PYTHON = $(VENV)/bin/python
STAMP = $(VENV)/.vdfd_seg-installed
DOCS_STAMP = $(VENV)/.vdfd_seg-docs-installed

.DEFAULT_GOAL := help
.PHONY: help system venv demo test test-all coverage docs clean

help: ## print this text
	@echo "usage: make TARGET [VARIABLE=VALUE ...]"
	@echo
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)$$/\1|\2/p' Makefile \
	  | while IFS='|' read -r name text; do printf '  %-8s %s\n' "$$name" "$$text"; done
	@echo
	@echo "variables:"
	@echo "  PYTHON     interpreter that makes the environment, 3.10 or newer (now: $(PYTHON))"
	@echo "  VENV       folder of the environment (now: $(VENV))"
	@echo "  PIP_ARGS   more arguments for 'pip install'; for a CPU-only torch:"
	@echo "             make demo PIP_ARGS=\"--extra-index-url https://download.pytorch.org/whl/cpu\""
	@echo "  DEMO_ARGS  arguments for tools/demo.py"
	@echo "  TEST_ARGS  arguments for pytest"
	@echo "  TEST_WORKERS  test processes at a time (now: $(TEST_WORKERS))"

system: ## check for the system packages that are needed
	@sh tools/check_system.sh "$(PYTHON)"

venv: system $(STAMP) ## make the virtual environment and install the pinned dependencies

demo: system $(STAMP) ## train, evaluate and report the demo sequence
	"$(VENV_PYTHON)" tools/demo.py $(DEMO_ARGS)

test: system $(STAMP) ## run the tests
	$(AVX2_LAP)
	$(PYTEST) $(TEST_ARGS)

test-all: system $(DOCS_STAMP) ## run the slow tests as well
	$(AVX2_LAP)
	$(PYTEST) -m "slow or not slow" $(TEST_ARGS)

docs: system $(DOCS_STAMP) ## check the prose and build the documentation; a warning is an error
	"$(VENV_PYTHON)" -m proselint check --config docs/proselint.json README.md docs/en configs tools/studies
	"$(VENV_PYTHON)" -m sphinx -W --keep-going -n -q -b html -c docs . build/docs
	@echo "documentation: build/docs/index.html"

coverage: system $(STAMP) ## run the tests, and list the lines of the package that none of them runs
	"$(VENV_PYTHON)" -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) \
	  -r requirements/coverage.txt
	$(PYTEST) --cov=vdfd_seg --cov-report=term-missing:skip-covered $(TEST_ARGS)

# Written last: an interrupted installation leaves no stamp, and the next start goes
# on from there. An environment without a working pip (interrupted while it was being
# made, or its interpreter is gone) is made again.
#
# onedl-mmcv is built in isolation on purpose: with torch in sight it would compile
# its operators for many minutes, and nothing here needs them. PIP_CONSTRAINT and
# PIP_BUILD_CONSTRAINT both pin what builds it; which one counts depends on pip.
$(STAMP): requirements/pinned.txt requirements/build.txt setup.py pyproject.toml vdfd_seg/version.py | system
	@"$(VENV_PYTHON)" -m pip --version >/dev/null 2>&1 \
	  || { echo "Making the virtual environment $(VENV)"; "$(PYTHON)" -m venv --clear "$(VENV)"; }
	PIP_CONSTRAINT="requirements/build.txt $$PIP_CONSTRAINT" \
	PIP_BUILD_CONSTRAINT=requirements/build.txt \
	  "$(VENV_PYTHON)" -m pip install --disable-pip-version-check $(PIP_ARGS) -r requirements/pinned.txt
	"$(VENV_PYTHON)" -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch "$(STAMP)"

$(DOCS_STAMP): requirements/docs.txt $(STAMP)
	"$(VENV_PYTHON)" -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  -r requirements/docs.txt -c requirements/pinned.txt
	@touch "$(DOCS_STAMP)"

clean: ## remove the virtual environment and what building leaves behind
	rm -rf "$(VENV)" build dist vdfd_seg.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
