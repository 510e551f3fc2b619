# The commands of this project; each installs what it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB_INVENTORY := inventory/lab
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_FORCE_COLOR ?=

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.stamp ## the virtual environment with Ansible and the test tools
$(VENV)/.stamp: requirements.txt tests/requirements.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || (apt-get update -qq && apt-get install -y -qq python3-venv)
	@echo "installing the Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

packages: venv ## the programs that the unit tests call: PostgreSQL, promtool and a few more
	@tests/packages.sh

lab-up: venv ## five lab hosts and two BMCs on this machine
	lab/lab up

demo: lab-up ## the lab, the cluster on it, and a failover to watch
	tests/demo.sh

docs: venv ## the generated pages and tables of docs/
	python tests/docs_tables.py
	python tests/docs_variables.py

lint: packages ## style and static checks
	ruff check .
	ruff format --check .
	mypy plugins/module_utils/skyha
	yamllint .
	ansible-lint --offline
	tests/collection.sh docs
	tests/collection.sh sanity

unit: packages ## unit tests
	pytest tests/unit -n 2

simulation: venv ## the failover policy in a simulated world
	pytest tests/simulation -n 2
	SIM_REGISTER=1 SIM_SCHEDULES=10 pytest tests/simulation -n 2

model: venv ## every story of a small cluster, as far as make test has time; DEPTH=N steps (FAULTS=2 HEALS=1 REGISTER=1 ZERO_LOSS=1): further
	$(if $(DEPTH),python -m tests.model.run --depth $(DEPTH) --faults $(or $(FAULTS),2) --heals $(or $(HEALS),1) $(if $(REGISTER),--register) $(if $(ZERO_LOSS),--zero-loss),pytest tests/model -n 2)

# Measured on few schedules only: measuring makes the simulation slow, and more of them reach no other lines.
coverage: packages ## unit tests and simulation, and how much of the runtime they reach (the limit: pyproject.toml)
	coverage erase
	COVERAGE_FILE=$(CURDIR)/.coverage SIM_SCHEDULES=100 pytest tests/unit tests/simulation -n 2 --cov --cov-report=
	coverage report

molecule: venv ## the scenarios on the lab, but for the long ones
	tests/molecule.sh

molecule-all: venv ## every scenario, the long tests with them
	tests/molecule.sh --all

test: lint coverage simulation model molecule ## all of it

faults: lab-up ## every fault of docs/reliability.md and every way back on the lab, about an hour; ROWS="words for pytest -k"
	LAB_LONG=1 tests/faults.sh pytest tests/faults tests/comeback -v $(if $(ROWS),-k "$(ROWS)"); status=$$?; python -m tests.faults.matrix; exit $$status

SOAK_MINUTES ?= 30
SEED ?= 1
soak: lab-up ## random faults for SOAK_MINUTES from SEED, one or two at once
	tests/faults.sh python -m tests.faults.soak --minutes $(SOAK_MINUTES) --seed $(SEED) --from-round $(or $(SOAK_FROM),1)

mutants: packages ## break the runtime on purpose, one way after the other: some test must turn red
	python -m tests.mutants.run $(MUTANTS_OPTIONS)

bench: lab-up ## measured figures into docs/
	tests/bench.sh

clean: ## remove the lab, the caches and the virtual environment
	lab/lab down --all || true
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

.PHONY: help venv packages lab-up demo docs lint unit simulation model coverage molecule molecule-all test faults soak mutants bench clean
