# Two commands on a fresh machine: `make demo` and `make test`. Each does all of its own set-up.
# Everything that is downloaded or started lives in one folder: HEADWATER_CACHE.

PYTHON ?= python3
ifeq ($(HEADWATER_CACHE),)
  ifeq ($(shell id -u),0)
    HEADWATER_CACHE := /var/cache/headwater
  else
    HEADWATER_CACHE := $(HOME)/.cache/headwater
  endif
endif
export HEADWATER_CACHE
export PYTHONUNBUFFERED := 1
# Tests start hundreds of Python processes: compiled once for all of them, also where the environment forbids it.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(HEADWATER_CACHE)/pycache

VENV := $(HEADWATER_CACHE)/venv-$(shell pwd | cksum | cut -d' ' -f1)
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
PACKAGES := worker connectors transforms

.PHONY: help demo demo-kafka demo-clean test-fast test test-all check format bench reference clean

help:
	@echo 'make demo        replicate a database into topics, keep a view, rebuild it from offset zero (about 3 minutes)'
	@echo 'make demo-kafka  the same on Apache Kafka: fetches and starts a broker (needs Java 17 and Maven)'
	@echo 'make demo-clean  remove what the demo made'
	@echo 'make test-fast   unit and contract tests without brokers (90 s)'
	@echo 'make test        all tests but the long chaos runs (25 minutes; needs Java 17, Maven and PostgreSQL 15)'
	@echo 'make test-all    everything'
	@echo 'make check       ruff and mypy --strict'
	@echo 'make bench       benchmarks beside Debezium and the raw limits, as ratios (15 minutes; needs Java 17 and Maven)'

# One line per set: a stamp in the venv is newer than pyproject.toml once the set is installed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Headwater needs Python 3.11 or newer; name it: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python venv is missing: apt-get install python3-venv'; exit 1; }
	@mkdir -p $(HEADWATER_CACHE)
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo,test]'
	@touch $@ $(VENV)/demo.stamp

demo: $(VENV)/demo.stamp
	@$(BIN)/python -m demo

demo-kafka: needed-demo-kafka $(VENV)/demo.stamp
	@$(BIN)/python -m tests.servers.fetch demo-kafka
	@$(BIN)/python -m demo --kafka

demo-clean:
	@rm -rf $(addprefix $(HEADWATER_CACHE)/,demo servers postgresql-18 java maven pycache) $(VENV)
	@rmdir $(HEADWATER_CACHE) 2>/dev/null || true
	@echo 'The demo, its servers and its packages are gone.'

# Programs of the system that are missing, all in one message with the line that installs them.
needed-%:
	@$(PYTHON) -m tests.servers.needed $*

# Servers are fetched and built here, not within a test's time; what is there is not asked for again.
.PHONY: servers
servers: needed-test $(VENV)/test.stamp
	@$(BIN)/python -m tests.servers.fetch test

test-fast: needed-test-fast $(VENV)/test.stamp
	$(PYTEST) -n 4 --dist worksteal -m 'not servers' tests/unit tests/contract

test: servers
	$(PYTEST) -n 3 --dist loadfile -m 'not long'

test-all: servers
	$(PYTEST) -n 3 --dist loadfile

# The rooms are imported as headwater.worker and so on; mypy finds them through a link to the root.
check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .mypy-root && ln -sfn .. .mypy-root/headwater
	cd .mypy-root && $(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache $(addprefix headwater/,$(PACKAGES))

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

reference: $(VENV)/test.stamp
	$(BIN)/python -m tests.reference

bench: needed-bench $(VENV)/test.stamp
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:
	rm -rf build dist *.egg-info .mypy-root .mypy_cache .ruff_cache .pytest_cache .hypothesis
