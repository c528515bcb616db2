# Farthing. `make up` shows it working, `make test` proves it, `make down` clears it away.
PYTHON ?= python3
FOCUS_PYTHON ?= python3.12
VENV   ?= .venv
WORKERS ?= 2
UV      = $(VENV)/bin/uv
RUN     = $(VENV)/bin

.PHONY: help install up down test test-gpu helm lint docs bench focus format print stubs lock clean

help:     ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*##/\t/' | expand -t 12

install: $(VENV)/installed  ## a virtual environment with exactly the locked versions

$(VENV)/installed: requirements.lock pyproject.toml
	@test -x $(UV) || { $(PYTHON) -m venv $(VENV) && $(RUN)/python -m pip install --quiet --disable-pip-version-check uv; }
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .
	@touch $@

up: install  ## a real Kubernetes with simulated GPUs, Farthing in it, and a first set of workloads
	@$(RUN)/farthing up --demo examples

down: install  ## stop it all; nothing stays
	@$(RUN)/farthing down

test: lint  ## everything: lint, types, unit, properties, end to end on the real control plane
	@$(RUN)/pytest -n $(WORKERS)

test-gpu: install  ## what needs a GPU, on NVIDIA's own library and MPS daemon; skipped where they are not
	@$(RUN)/pytest tests/gpu

helm: install  ## build Helm from its pinned module, for the tests of the chart; once, some minutes
	@$(RUN)/python -m tests.helm

lint: install  ## style, types, the rooms' walls, the documentation
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports --no-cache
	@$(RUN)/sphinx-build -q -W -b html docs docs/_build

docs: install  ## the documentation as HTML in docs/_build
	@$(RUN)/sphinx-build -W -b html docs docs/_build

bench: install  ## measure on the real control plane; writes docs/benchmarks*.md; takes about 30 minutes
	@$(RUN)/python -m bench
	@$(RUN)/python -m bench ledger

focus: install  ## what the ledger exports, looked at by FOCUS' own validator; needs Python 3.12 (FOCUS_PYTHON)
	@$(RUN)/python -m tests.focus.validate .focus $(UV) $(FOCUS_PYTHON)

format: install  ## let the machine do the formatting
	@$(RUN)/ruff check --fix .
	@$(RUN)/ruff format .

print: install  ## write deploy/ and docs/reference/ anew from the types
	@$(RUN)/python -m farthing.api.printing
	@$(RUN)/python -m farthing.cli.reference docs/reference/commands.md
	@$(RUN)/python -m farthing.cli.pages docs/reference

KUBELET = k8s.io/kubelet@v0.37.2
WIRE    = src/farthing/node/wire

stubs: install  ## the messages of kubelet's interfaces, from upstream's protos of the pinned release (needs Go)
	@go mod download $(KUBELET)
	@cp $$(go env GOMODCACHE)/$(KUBELET)/pkg/apis/pluginregistration/v1/api.proto $(WIRE)/registration.proto
	@cp $$(go env GOMODCACHE)/$(KUBELET)/pkg/apis/dra/v1/api.proto $(WIRE)/dra_v1.proto
	@cp $$(go env GOMODCACHE)/$(KUBELET)/pkg/apis/dra/v1beta1/api.proto $(WIRE)/dra_v1beta1.proto
	@cp $$(go env GOMODCACHE)/$(KUBELET)/pkg/apis/dra-health/v1/api.proto $(WIRE)/health_v1.proto
	@cp $$(go env GOMODCACHE)/$(KUBELET)/pkg/apis/dra-health/v1alpha1/api.proto $(WIRE)/health_v1alpha1.proto
	@chmod 644 $(WIRE)/*.proto
	@$(RUN)/python -m grpc_tools.protoc -Isrc --python_out=src --pyi_out=src $(WIRE)/*.proto

lock: install  ## choose versions anew
	@$(UV) pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --upgrade -o requirements.lock

clean:    ## remove the virtual environment and caches of this checkout
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .focus docs/_build
