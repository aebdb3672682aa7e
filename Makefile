# LedgerHub: `make run` to try it, `make test` and `make check` to work on it. `make help` lists the rest.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
ifneq ($(PORT),8000)  # where people come back to from another system's consent
export PUBLIC_URL ?= http://127.0.0.1:$(PORT)
endif
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

SPLINK := .venv-splink
SIZES ?= 10000 100000 1000000
# In this order two at a time: those that wait most begin first, or beside one that works; last is one that keeps
# both cores busy by itself.
TESTS := test-browser test-fast test-kill test-conformance test-postgres

# Two processes; who has done its half takes of the other's.
EVENLY := -n 2 --dist worksteal

.PHONY: help run ci test test-fast test-browser test-conformance test-kill test-postgres check format clean browser benchmark-reconciliation

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 26

run: $(VENV)/run.stamp ## Install what is needed, make the demo, start everything on http://127.0.0.1:8000
	@$(PY) -m ledgerhub.core.environment .env
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) manage.py createcachetable
	@$(PY) manage.py collectstatic --noinput --verbosity 0
	@$(PY) manage.py demo
	@exec $(PY) manage.py supervise --bind 127.0.0.1:$(PORT)

$(VENV)/run.stamp: requirements.txt
	@command -v python3 >/dev/null || { echo "Python 3.11 or newer is needed."; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; this is $$(python3 --version)."; exit 1; }
	@[ -x $(PY) ] || python3 -m venv $(VENV)
	@echo "Installing LedgerHub's libraries..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements.txt requirements-dev.txt
	@[ -x $(PY) ] || python3 -m venv $(VENV)
	@echo "Installing what the tests and checks need..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(VENV)/run.stamp $@

browser: ## Debian's Chromium for the browser tests, where it can be installed
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && { \
	  echo "Installing Chromium for the browser tests..."; \
	  $(SUDO) apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq chromium >/dev/null; }; } \
	  || echo "Chromium is not here and could not be installed: the browser tests will be skipped."

hledger:
	@command -v hledger >/dev/null || { command -v apt-get >/dev/null && { \
	  $(SUDO) apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq hledger >/dev/null; }; } \
	  || echo "hledger is not here and could not be installed: its export test will be skipped."

test: $(VENV)/dev.stamp browser hledger ## All tests: fast ones, PostgreSQL, browser, conformance, kill
	@$(PY) -m tests.stages $(TESTS)

ci: $(VENV)/dev.stamp browser hledger ## What must pass before a change lands: all checks, all tests
	@$(PY) -m tests.stages test-browser check $(filter-out test-browser,$(TESTS))

test-fast: $(VENV)/dev.stamp ## The default run: no browser, no third-party programs, no kills
	$(VENV)/bin/pytest -q $(EVENLY)

test-postgres: $(VENV)/dev.stamp ## The database tests again, on a PostgreSQL of their own
	$(PY) -m tests.on_postgres -q $(EVENLY)

test-browser: $(VENV)/dev.stamp ## The main flows in a real browser
	$(VENV)/bin/pytest -q -m browser tests/browser

test-conformance: $(VENV)/dev.stamp ## Against third-party programs and vendors' specifications
	$(VENV)/bin/pytest -q -m conformance $(EVENLY)

test-kill: $(VENV)/dev.stamp ## Kill processes at random; nothing may be lost or doubled
	$(VENV)/bin/pytest -q -m kill $(EVENLY)

check: $(VENV)/dev.stamp ## Style, types, layers, settings, migrations
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))') ENCRYPTION_KEYS=k1:$$($(PY) -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())') \
	  LEDGERHUB_ENV_FILE=/dev/null DEBUG=false PUBLIC_URL=https://ledgerhub.example.com ALLOWED_HOSTS=ledgerhub.example.com \
	  $(PY) manage.py check --deploy --fail-level WARNING
	@SECRET_KEY=x ENCRYPTION_KEYS= LEDGERHUB_ENV_FILE=/dev/null $(PY) manage.py makemigrations --check --dry-run

$(SPLINK)/splink.stamp: benchmarks/requirements-splink.txt
	@[ -x $(SPLINK)/bin/python ] || python3 -m venv $(SPLINK)
	@echo "Installing Splink, to compare with, in an environment of its own..."
	@$(SPLINK)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-splink.txt
	@touch $@

benchmark-reconciliation: $(VENV)/dev.stamp $(SPLINK)/splink.stamp ## The engine beside Splink and a plain matcher (SIZES="10000 100000")
	@SECRET_KEY=benchmark ENCRYPTION_KEYS= LEDGERHUB_ENV_FILE=/dev/null $(PY) -m benchmarks.reconciliation $(SIZES)

format: $(VENV)/dev.stamp ## Put the code into its style
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

clean: ## Remove the demo's data (not the .env with its keys)
	rm -rf var staticfiles
