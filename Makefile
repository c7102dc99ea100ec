# The project's commands. Everything that people, hooks and CI run is a target here.
SHELL := /bin/bash -o pipefail
PYTHON := .venv/bin/python
LAB := $(PYTHON) -m lab

.DEFAULT_GOAL := help
.PHONY: help venv up down verify lab lab-stop lab-down lab-status kubeconfig pulumi lint unit engine e2e test compat

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: requirements.txt requirements-dev.txt
	@test -x $(PYTHON) || python3 -m venv .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

venv: .venv/.ready ## Make the virtual environment that everything else here runs in

up: venv ## Start the lab and run `pulumi up` on it: the whole walkthrough, verified
	@$(LAB) up

down: venv ## Run `pulumi destroy` on the lab; the cluster keeps running, as it was before
	@$(LAB) down

verify: venv ## Verify the lab's stack again, whatever has changed
	@expectation="$$($(LAB) pulumi -- stack output expectation)" && \
		KUBECONFIG="$$($(LAB) kubeconfig)" $(PYTHON) -m operations verify <<< "$$expectation"

lab: venv ## Start the lab: a real single-node Kubernetes cluster on this machine
	@$(LAB) start

lab-stop: venv ## Stop the lab and keep the cluster's data
	@$(LAB) stop

lab-down: venv ## Stop the lab and remove all of it but the build cache
	@$(LAB) remove

lab-status: venv ## Show what of the lab runs
	@$(LAB) status

kubeconfig: venv ## Print the path of the lab's kubeconfig
	@$(LAB) kubeconfig

pulumi: venv ## Run Pulumi's CLI on the lab's stack: make pulumi ARGS="preview"
	@$(LAB) pulumi -- $(ARGS)

lint: venv ## Check format, style and types
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

unit: venv ## Run the fast tests: pure functions and the mocked graph
	@$(PYTHON) -m pytest -m "not engine and not lab and not lab_lifecycle"

engine: venv ## Run the tests that need Pulumi's real engine (builds the lab's parts)
	@$(LAB) build
	@$(PYTHON) -m pytest -m "engine and not lab"

e2e: venv ## Run the tests on the lab: the walkthrough, forwards and back (starts the lab)
	@$(LAB) start
	@$(PYTHON) -m pytest -m "lab"

test: venv lint ## Run every test, on the lab, which is started here
	@$(LAB) start
	@$(PYTHON) -m pytest -m "not lab_lifecycle" --durations=15

compat: venv ## Measure Dapr's releases, upgrades and exclusions on the lab, row by row, for docs/compatibility.md (80 minutes)
	@$(LAB) start
	@$(PYTHON) -m tests.compat $(ARGS)
