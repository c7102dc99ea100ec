# The project's commands. Everything that people, hooks and CI run is a target here.
SHELL := /bin/bash -o pipefail
PYTHON := .venv/bin/python
LAB := $(PYTHON) -m lab
# A refresh and a destroy run the program too, whose checks refuse another cluster before anything is touched.
OWN := PULUMI_RUN_PROGRAM=true PATH="$(CURDIR)/.venv/bin:$$PATH" pulumi

.DEFAULT_GOAL := help
.PHONY: help venv up down recover drift review bring-over verify lab lab-stop lab-down lab-status kubeconfig pulumi docs rights lint unit engine e2e test releases compat faults

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: requirements.txt requirements-dev.txt
	@test -x $(PYTHON) || python3 -m venv .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

venv: .venv/.ready ## Make the virtual environment that everything else here runs in

up: venv ## Start the lab and run `pulumi up` on it: the whole walkthrough, verified. CLUSTER=current: on your own
ifeq ($(CLUSTER),current)
	@$(PYTHON) -m cluster
	@$(OWN) up --refresh
else
	@$(LAB) up
endif

down: venv ## Run `pulumi destroy` on the lab; the cluster keeps running, as it was before. CLUSTER=current: on your own
ifeq ($(CLUSTER),current)
	@$(PYTHON) -m cluster
	@$(OWN) destroy
else
	@$(LAB) down
endif

recover: venv ## Bring the stack back after an interrupted run (killed, lost connection), without questions
	@$(LAB) recover

drift: venv ## Show what was edited by hand on the cluster; `make up` repairs it
	@$(LAB) drift

review: venv ## Show what `up` would do to the lab, as a reviewer would be told it. CLUSTER=current: to your own
	@events="$$(mktemp)" && trap 'rm -f "$$events"' EXIT && export PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true && \
		{ $(if $(filter current,$(CLUSTER)),$(OWN),$(LAB) pulumi --) preview --json > "$$events"; code=$$?; \
		$(PYTHON) -m review render "$$events" && exit $$code; }

bring-over: venv ## Bring a stack of an earlier version, with Helm releases, over to this one; then run `up`
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m bring_over

verify: venv ## Verify the lab's stack again, whatever has changed
	@expectation="$$($(LAB) pulumi -- stack output expectation)" && \
		KUBECONFIG="$$($(LAB) kubeconfig)" $(PYTHON) -m steps verify <<< "$$expectation"

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

docs: venv ## Write what the settings' declarations say into Pulumi.yaml and docs/settings.md
	@$(PYTHON) -m settings

rights: venv ## Write deploy/deployer.yaml: what whoever deploys the stack must be allowed to do
	@$(PYTHON) -m preflight.rights

lint: venv ## Check format, style and types
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

unit: venv lint ## Run the fast tests: pure functions and the mocked graph
	@$(PYTHON) -m pytest -m "not engine and not lab and not lab_lifecycle and not releases"

engine: venv ## Run the tests that need Pulumi's real engine (builds the lab's parts)
	@$(LAB) build
	@$(PYTHON) -m pytest -m "engine and not lab"

e2e: venv ## Run the tests on the lab: the walkthrough, forwards and back (starts the lab)
	@$(LAB) start
	@$(LAB) down # the tests' stacks need the cluster to themselves
	@$(PYTHON) -m pytest -m "lab and not releases"

test: unit ## Run the tests, cheap ones first, then on the lab, which is started here (not: releases, compat, faults)
	@$(LAB) start
	@$(LAB) down # the tests' stacks need the cluster to themselves
	@$(PYTHON) -m pytest -m "(engine or lab) and not lab_lifecycle and not releases" --durations=15

releases: venv ## Run the tests of other Dapr releases than the default, and of the ways between them (10 minutes)
	@$(LAB) start
	@$(LAB) down # the tests' stacks need the cluster to themselves
	@$(PYTHON) -m tests.last_run releases -m "releases"

compat: venv ## Measure Dapr's releases, upgrades and exclusions on the lab, row by row, for docs/compatibility.md (80 minutes)
	@$(LAB) start
	@$(PYTHON) -m tests.compat $(ARGS)

faults: venv ## Make faults on the lab, row by row, for docs/faults.md: runs killed at each step, and more (an hour)
	@$(LAB) start
	@$(PYTHON) -m tests.faults $(ARGS)
