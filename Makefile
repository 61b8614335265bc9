# make demo   the story in the terminal        make test   everything that CI checks
# make setup  only the environment             make docs   the generated pages anew
# make lock   the lock files anew (needs uv)   make lint   format, lint, types, imports
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test test-setup lint docs lock clean

setup: $(VENV)/.runtime

$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Scopegate needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(BIN)/python -m scopegate.cli.demo examples/orders/template.yaml

# What only tests need: the libraries of the development lock, the AWS CLI in an environment of its own (its pins fight
# ours), SDKs for Node.js, and from Debian a browser and the sandbox of functions.
test-setup: $(VENV)/.development .venv-awscli/.ready tests/wire/node/node_modules/.ready
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
	  || { echo "The browser tests need Chromium: apt-get install chromium"; exit 1; }
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq bubblewrap >/dev/null; } \
	  || { echo "The tests of functions need bubblewrap: apt-get install bubblewrap"; exit 1; }
	@test -e /usr/lib/apache2/modules/mod_auth_openidc.so || { [ "$$(id -u)" = 0 ] && apt-get update -qq \
	  && apt-get install -y -qq apache2 libapache2-mod-auth-openidc >/dev/null; } \
	  || { echo "A client of sign-ins needs Apache: apt-get install apache2 libapache2-mod-auth-openidc"; exit 1; }

$(VENV)/.development: $(VENV)/.runtime requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.venv-awscli/.ready: requirements-awscli.lock
	$(PYTHON) -m venv .venv-awscli
	.venv-awscli/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-awscli.lock
	@touch $@

tests/wire/node/node_modules/.ready: $(VENV)/.development tests/wire/node/package-lock.json
	node="$$($(BIN)/python -m tests.node --bin)" && cd tests/wire/node && PATH="$$node:$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

# Tests start some hundred processes of ours: their modules are compiled once, also where the environment forbids it.
test: export PYTHONDONTWRITEBYTECODE =
test: test-setup lint
	$(BIN)/pytest -n 3 --dist loadfile

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

docs: $(VENV)/.development
	$(BIN)/python docs/generate.py

lock:
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements.lock
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements-dev.lock
	echo awscli | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements-awscli.lock

clean:
	rm -rf $(VENV) .venv-awscli tests/wire/node/node_modules .scopegate
