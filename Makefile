# The project's commands. Everything that people, hooks and CI run is a target here.
SHELL := /bin/bash -o pipefail
PYTHON := .venv/bin/python
LAB := $(PYTHON) -m lab
# Tests wait most of their time for a cluster of their own, so there are several side by side while they run.
LABS ?= 3
OTHER_LABS = for number in $$(seq 2 $(LABS)); do DAPR_OSM_LAB_NUMBER=$$number $(LAB)
# What needs nothing but Python; a file's tests stay together, for they share what they look at.
FAST := -m "not engine and not lab and not lab_lifecycle and not releases" -n auto --dist loadfile
# A refresh and a destroy run the program too, whose checks refuse another cluster before anything is touched.
OWN := PULUMI_RUN_PROGRAM=true PATH="$(CURDIR)/.venv/bin:$$PATH" pulumi
# The context of a stack of your own, where it names one.
CONTEXT = $$($(OWN) config get kubeContext 2> /dev/null)
NAMED = $(if $(filter current,$(CLUSTER)),--context "$(CONTEXT)")

ACTIONLINT := v1.7.12

# What the policies are in an environment: policy/NAME.json for the stack NAME. POLICY=FILE: another file.
POLICY ?= policy/$(if $(filter current,$(CLUSTER)),$(shell $(OWN) stack --show-name),lab).json
POLICIES = --policy-pack policy/pack --policy-pack-config $(POLICY)

# A preview's events in a file that is gone afterwards; what follows ends with }.
PULUMI = $(if $(filter current,$(CLUSTER)),$(OWN),$(LAB) pulumi --)
PREVIEWED = events="$$(mktemp)" && trap 'rm -f "$$events"' EXIT && export PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true && \
	{ $(PULUMI) preview --json $(POLICIES) > "$$events"; code=$$?;

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {print $$1}' $(firstword $(MAKEFILE_LIST)))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: requirements.txt requirements-dev.txt
	@test -x $(PYTHON) || python3 -m venv .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

policy/.venv/.ready: policy/requirements.txt
	@test -x policy/.venv/bin/python || python3 -m venv policy/.venv
	@policy/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r policy/requirements.txt
	@touch $@

venv: .venv/.ready ## Make the virtual environment that everything else here runs in

install: policy/.venv/.ready ## Make what a deploy needs and no more: the program's packages, the policies', Pulumi's plugins
	@test -x $(PYTHON) || python3 -m venv .venv
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@PATH="$(CURDIR)/.venv/bin:$$PATH" pulumi install --no-dependencies

up: venv ## Start the lab and run `pulumi up` on it: the whole walkthrough, verified. CLUSTER=current: on your own
ifeq ($(CLUSTER),current)
	@$(PYTHON) -m cluster --context "$(CONTEXT)"
	@$(OWN) up --refresh
else
	@$(LAB) up
endif

down: venv ## Run `pulumi destroy` on the lab; the cluster keeps running, as it was before. CLUSTER=current: on your own
ifeq ($(CLUSTER),current)
	@$(PYTHON) -m cluster --context "$(CONTEXT)"
	@$(OWN) destroy
else
	@$(LAB) down
endif

recover: venv ## Bring the stack back after an interrupted run (killed, lost connection), without questions
	@$(LAB) recover

drift: venv policy/.venv/.ready ## Show what was edited by hand on the cluster, held against the policies; `make up` repairs it
	@$(PULUMI) preview --refresh --diff $(POLICIES)

doctor: venv ## Say what is in the way of `up`, a line each, and change nothing. CLUSTER=current STACK=dev: on your own
ifeq ($(CLUSTER),current)
	@$(PYTHON) -m preflight $(if $(STACK),--stack $(STACK)) $(ARGS)
else
	@file="$$($(LAB) config-file)" && variables="$$($(LAB) env)" && eval "$$variables" && \
		$(PYTHON) -m preflight --stack lab --config-file "$$file" $(ARGS)
endif

policy: venv policy/.venv/.ready ## Hold what `up` would do to the lab against the policies. CLUSTER=current: to your own
	@$(PREVIEWED) $(PYTHON) -m review check --policies $(POLICY) "$$events" && exit $$code; }

review: venv policy/.venv/.ready ## Show what `up` would do to the lab, as a reviewer would be told it. BASE=main: what a change does, on no cluster
ifdef BASE
	@$(if $(filter current,$(CLUSTER)),,eval "$$($(LAB) env)" &&) $(PYTHON) -m review compare "$(BASE)" $(HEAD) \
		$(foreach stack,$(or $(STACKS),$(if $(filter current,$(CLUSTER)),dev,lab)),--stack $(stack))
else
	@$(PREVIEWED) $(PYTHON) -m review render --policies $(POLICY) "$$events" && \
		$(PYTHON) -m review check --policies $(POLICY) "$$events" > /dev/null && exit $$code; }
endif

bring-over: venv ## Bring a stack of an earlier version, with Helm releases, over to this one; then run `up`
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m bring_over

status: venv ## Show how the stack is doing, from the cluster alone: ARGS="--watch", "--json". CLUSTER=current: on your own
	@$(if $(filter current,$(CLUSTER)),,KUBECONFIG="$$($(LAB) kubeconfig)") $(PYTHON) -m status $(NAMED) $(ARGS)

bugreport: venv ## Write one archive with all that helps to understand the stack, without secrets. CLUSTER=current: on your own
	@$(if $(filter current,$(CLUSTER)),,eval "$$($(LAB) env)" &&) $(PYTHON) -m bugreport $(NAMED) $(ARGS)

verify: venv ## Verify the lab's stack again, whatever has changed. CLUSTER=current: your own
ifeq ($(CLUSTER),current)
	@expectation="$$($(OWN) stack output expectation)" && \
		OPERATION_CONTEXT="$(CONTEXT)" $(PYTHON) -m steps verify <<< "$$expectation"
else
	@expectation="$$($(LAB) pulumi -- stack output expectation)" && \
		KUBECONFIG="$$($(LAB) kubeconfig)" $(PYTHON) -m steps verify <<< "$$expectation"
endif

lab: venv ## Start the lab: a real single-node Kubernetes cluster on this machine
	@$(LAB) start

lab-stop: venv ## Stop the lab and keep the cluster's data
	@$(OTHER_LABS) stop || exit; done
	@$(LAB) stop

lab-down: venv ## Stop the lab and remove all of it but the build cache
	@$(OTHER_LABS) remove || exit; done
	@$(LAB) remove

lab-status: venv ## Show what of the lab runs
	@$(LAB) status

kubeconfig: venv ## Print the path of the lab's kubeconfig
	@$(LAB) kubeconfig

pulumi: venv ## Run Pulumi's CLI on the lab's stack: make pulumi ARGS="preview"
	@$(LAB) pulumi -- $(ARGS)

bench: venv ## Measure what a verification costs at 2, 12 and 50 apps, for docs/verification.md (ARGS=--lab: 2 and 12 on the lab)
	@$(PYTHON) -m tests.bench $(ARGS)

docs: venv ## Write what is declared into Pulumi.yaml, docs/settings.md and docs/policies.md
	@$(PYTHON) -m settings
	@$(PYTHON) -m policy.documents

rights: venv ## Write deploy/deployer.yaml: what whoever deploys the stack must be allowed to do
	@$(PYTHON) -m preflight.rights

lint: venv ## Check format, style and types
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

workflows: venv ## Check the workflows: actionlint (needs Go) and zizmor, as strictly as they can
	@go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT)
	@.venv/bin/zizmor --quiet --offline --pedantic .github

unit: venv lint ## Run the fast tests: pure functions and the mocked graph
	@$(PYTHON) -m pytest $(FAST)

pythons: venv ## Run the fast tests with every Python that is supported and found here (ARGS="3.13": with that one)
	@$(PYTHON) -m tests.pythons $(ARGS) -- $(FAST)

mutants: venv ## Change the program place by place, and see whether the fast tests notice, for docs/mutations.md; hours
	@$(PYTHON) -m tests.mutants $(ARGS)

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
	@$(OTHER_LABS) start || exit; done
	@$(PYTHON) -m pytest -m "(engine or lab) and not lab_lifecycle and not releases" --durations=25 \
		-n $(LABS) --dist loadfile --no-loadscope-reorder --lab-each; code=$$?; $(OTHER_LABS) stop; done; exit $$code

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

causes: venv ## Bring broken setups to the lab, row by row, for docs/causes.md: what `up` says, and when (20 minutes)
	@$(LAB) start
	@$(PYTHON) -m tests.causes $(ARGS)
