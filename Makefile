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
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.stamp ## the virtual environment with Ansible and the test tools
$(VENV)/.stamp: requirements.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || (apt-get update -qq && apt-get install -y -qq python3-venv)
	@echo "installing the Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

lab-up: venv ## four lab hosts and two BMCs on this machine
	lab/lab up

demo: lab-up ## the lab, the cluster on it, and a failover to watch
	tests/demo.sh

lint: venv ## style and static checks
	ruff check .
	ruff format --check .
	mypy plugins/module_utils/skyha
	yamllint .
	ansible-lint --offline

unit: venv ## unit tests
	pytest tests/unit -n 2

simulation: venv ## the failover policy in a simulated world
	pytest tests/simulation -n 2

molecule: venv ## every scenario on the lab
	tests/molecule.sh

test: lint unit simulation molecule ## all of it

bench: lab-up ## measured figures into docs/
	tests/bench.sh

clean: ## remove the lab, the caches and the virtual environment
	lab/lab down --all || true
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help venv lab-up demo lint unit simulation molecule test bench clean
