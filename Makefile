# Every target makes what it needs. Needed beforehand: Python 3.11 or newer with pip, and make.
#
#   make demo      run the Starlette example with two tenants; ONCE=1 stops after the table
#   make test      the whole suite, warnings as errors, with branch coverage; ARGS="..." for
#                  pytest, WORKERS=0 for one process
#   make static    ruff, mypy, pyright, import-linter
#   make bench     every module of benchmarks/
#   make help      the rest

PYTHON ?= python3
N ?= 2000
# How many processes the suite runs in; 0 for this one alone, to use a debugger.
WORKERS ?= auto

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PY := $(BIN)/python
PIP := -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --require-hashes -r
# Each process gets a stretch of the tests, so that it sets up little that the others do, too.
SPREAD = -n $(WORKERS) --dist worksteal

# A venv belongs to this checkout alone, whatever the caller has activated or exported.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

CHECKED = noxfile.py $(foreach folder,tests benchmarks examples,\
	$(if $(shell find $(folder) -name '*.py'),$(folder)))

.DELETE_ON_ERROR:
.PHONY: help demo test test-lowest test-core test-postgresql test-wheel static format bench leaks fuzz soak \
	screenshots servers wheel lock clean

help:
	@sed -n 's/^#   //p' Makefile
	@echo 'make test-lowest  the suite on the lowest releases of the dependencies'
	@echo 'make test-core    the core alone, with no extras installed'
	@echo 'make test-postgresql  what needs PostgreSQL, on each release that Debian has installed here'
	@echo 'make wheel        build the wheel into dist/'
	@echo 'make test-wheel   import every public name of the wheel from empty environments'
	@echo 'make leaks        search for ways across tenants'
	@echo 'make fuzz N=2000  that many random statements against the oracle'
	@echo 'make soak         200 clients, faults and a restart, direct and through PgBouncer'
	@echo 'make screenshots  renew docs/images/'
	@echo 'make servers      install the servers and the browser that some tests need (Debian, root)'
	@echo 'make format       ruff format, and the fixes ruff is sure of'
	@echo 'make lock         renew the lock files in requirements/'
	@echo 'make clean        remove what the other targets made'

demo: $(VENV)/.test
	$(PY) -m examples.starlette.demo $(if $(ONCE),--once)

test: $(VENV)/.test
	$(PY) -m pytest $(SPREAD) --cov --cov-branch --cov-report=term-missing:skip-covered $(ARGS)

# What tries whole servers, and hardly touches what is pinned low, runs on the newest alone.
test-lowest: build/venv-lowest/.done
	build/venv-lowest/bin/python -m pytest $(SPREAD) $(addprefix --ignore=tests/,\
		browser servers caches transparency soak) $(ARGS)

test-core: build/venv-core/.done
	build/venv-core/bin/python -m pytest $(SPREAD) tests/core $(ARGS)

POSTGRESQL = $(wildcard /usr/lib/postgresql/*/bin)
test-postgresql: $(VENV)/.test
	@test -n "$(POSTGRESQL)" || { echo 'no PostgreSQL in /usr/lib/postgresql; make servers installs one' >&2; exit 1; }
	set -e; for programs in $(POSTGRESQL); do \
		$(PY) -m tests.other_postgresql $$programs $(SPREAD) tests/adapters/sqlalchemy tests/leaks \
			tests/oracle -k 'postgres or rls or alembic or doctor or citus or policies' $(ARGS); \
	done

bench: $(VENV)/.test
	@set -e; for module in $(basename $(notdir $(filter-out %/__init__.py,$(wildcard benchmarks/[!_]*.py)))); do \
		echo "== benchmarks.$$module"; $(PY) -m benchmarks.$$module; \
	done

leaks: $(VENV)/.test
	$(PY) -m tests.leaks

fuzz: $(VENV)/.test
	$(PY) -m tests.fuzz $(N)

soak: $(VENV)/.test
	$(PY) -m tests.soak $(ARGS)

screenshots: $(VENV)/.test
	$(PY) -m tests.browser.screenshots

# Tests that need one of these say so and are skipped where it is missing. Run level 1 keeps
# the packages from starting services of their own: each test starts what it needs.
SERVERS = nginx varnish pgbouncer chromium postgresql
servers:
	apt-get update -qq
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVERS)

# mypy, pyright and import-linter do not follow an editable install of a package whose
# folder lies elsewhere, so they look at a plain install, with copies of its users beside
# it: the paths that they print are the repository's, but for adapters/.
static: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	rm -rf build/static build/lib build/bdist.*
	$(PY) $(PIP) install --quiet --no-deps --no-build-isolation --target build/static .
	rm -rf build/static/*.dist-info
	cp -R pyproject.toml $(CHECKED) build/static/
	cd build/static && $(BIN)/mypy --cache-dir $(CURDIR)/.mypy_cache tenantshield_mw $(CHECKED)
	cd build/static && $(BIN)/pyright --pythonpath $(PY)
	cd build/static && $(BIN)/lint-imports --no-cache

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/.test
	rm -rf build/lib build/bdist.* dist
	$(PY) $(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# Straight from the wheel, as a user installs it: without the lock files, outside of the
# checkout, first with nothing else and then with every extra.
test-wheel: wheel
	rm -rf build/venv-wheel
	$(PYTHON) -m venv build/venv-wheel
	build/venv-wheel/bin/python $(PIP) install --quiet dist/*.whl
	cd / && $(CURDIR)/build/venv-wheel/bin/python -I $(CURDIR)/tests/packaging/import_public_names.py --core-only
	set -e; for wheel in dist/*.whl; do \
		build/venv-wheel/bin/python $(PIP) install --quiet "$$wheel[sqlalchemy,starlette,litestar,flask,jwt,signed,alembic]"; \
	done
	cd / && $(CURDIR)/build/venv-wheel/bin/python -I $(CURDIR)/tests/packaging/import_public_names.py

LOCK = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml

lock: $(VENV)/.dev
	$(LOCK) --all-extras --group dev -o requirements/dev.txt
	$(LOCK) --all-extras --group build --group test -c requirements/dev.txt -o requirements/test.txt
	$(LOCK) --group build --group test-core -c requirements/dev.txt -o requirements/core.txt
	$(LOCK) --all-extras --group build --group test -c requirements/lowest.in -o requirements/lowest.txt

clean:
	rm -rf $(VENV) .nox build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache \
		.ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo '$(PYTHON) is older than Python 3.11; give a newer one: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.test: requirements/test.txt pyproject.toml | $(VENV)/bin/python
	$(PY) $(INSTALL) requirements/test.txt
	$(PY) $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.test
	$(PY) $(INSTALL) requirements/dev.txt
	touch $@

build/venv-%/.done: requirements/%.txt pyproject.toml
	rm -rf build/venv-$*
	$(PYTHON) -m venv build/venv-$*
	build/venv-$*/bin/python $(INSTALL) requirements/$*.txt
	build/venv-$*/bin/python $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@
