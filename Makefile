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
DEMO := build/venv-demo
PIP := -m pip --disable-pip-version-check
# A lock file is complete, so what it lists is installed and nothing is looked for: what pip
# would make of the requirements of the packages depends on its age and on what has been
# released since. A source distribution would be built with whatever is newest.
INSTALL = $(PIP) install --quiet --no-deps --only-binary :all: --require-hashes $(COMPILE) -r
# The setuptools that builds this is the lock file's, too.
THIS = $(PIP) install --quiet --no-deps --no-build-isolation
STARTED := $(shell date +%s)
# Each process gets a stretch of the tests, so that it sets up little that the others do, too.
# The order in which they are written; ORDER="-p randomly" for a random one.
ORDER ?= -p no:randomly
SPREAD = -n $(WORKERS) --dist worksteal $(ORDER)

# A venv belongs to this checkout alone, whatever the caller has activated or exported.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

CHECKED = noxfile.py $(foreach folder,tests benchmarks examples,\
	$(if $(shell find $(folder) -name '*.py'),$(folder)))

.DELETE_ON_ERROR:
.PHONY: help demo test test-lowest test-core test-postgresql test-python test-wheel static format bench leaks mutants fuzz soak \
	screenshots servers wheel lock clean

help:
	@sed -n 's/^#   //p' Makefile
	@echo 'make test-lowest  the suite on the lowest releases of the dependencies'
	@echo 'make test-core    the core alone, with no extras installed'
	@echo 'make test-postgresql  what needs PostgreSQL, on each release that Debian has installed here'
	@echo 'make wheel        build the wheel into dist/'
	@echo 'make test-python SUITE=trixie  the suite on the Python of another Debian (Debian, root)'
	@echo 'make test-wheel   import every public name of the wheel from empty environments'
	@echo 'make leaks        search for ways across tenants'
	@echo 'make mutants      put hole after hole into the guard; a test has to fail for each'
	@echo 'make fuzz N=2000  that many random statements and writes against the oracle'
	@echo 'make soak         200 clients, faults and a restart, direct and through PgBouncer'
	@echo 'make screenshots  renew docs/images/'
	@echo 'make servers      install the servers and the browser that some tests need (Debian, root)'
	@echo 'make format       ruff format, and the fixes ruff is sure of'
	@echo 'make lock         renew the lock files in requirements/'
	@echo 'make clean        remove what the other targets made'

# $(call new-environment,FOLDER,OPTIONS): with the interpreter that was asked for, if it will do.
define new-environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo '$(PYTHON) is older than Python 3.11; give a newer one: make PYTHON=python3.12 ...' >&2; exit 1; }
@echo "Making an environment with $$($(PYTHON) --version) in $(1)"
@rm -rf $(1)
@$(PYTHON) -m venv $(2) $(1)
endef

# $(call install,PYTHON,LOCK FILE): what the lock file lists, and this checkout.
define install
@echo "Installing the $$(grep -c '^[a-z].*==' $(2)) packages of $(2)"
@$(1) $(INSTALL) $(2)
@echo 'Installing this checkout'
@$(1) $(THIS) --editable .
endef

demo: $(DEMO)/.done
	@echo 'Running the Starlette example'
	@$(DEMO)/bin/python -m examples.starlette.demo $(if $(ONCE),--once) --since $(STARTED)

test: $(VENV)/.test
	@echo 'Running the tests'
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

# The Python of another release of Debian, in a root of its own below build/: PYTHON=python3.15
# for another one than that release's usual, TARGET=test-core for another target there.
SUITE ?= trixie
TARGET ?= test
test-python: export WORKERS := $(WORKERS)
# By the environment, since it may hold quotes.
test-python: export ARGS := $(ARGS)
test-python:
	@tools/test-python $(SUITE) $(PYTHON) $(TARGET)

bench: $(VENV)/.test
	@set -e; for module in $(basename $(notdir $(filter-out %/__init__.py,$(wildcard benchmarks/[!_]*.py)))); do \
		echo "== benchmarks.$$module"; $(PY) -m benchmarks.$$module; \
	done

leaks: $(VENV)/.test
	$(PY) -m tests.leaks

mutants: $(VENV)/.test
	$(PY) -m tests.mutation $(ARGS)

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
	$(PY) $(THIS) --target build/static .
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

# Straight from the wheel, outside of the checkout, first with nothing else and then with every
# extra. Here pip has to find out what the wheel needs, as it does for a user; but all that it
# finds are the releases of the lock file, laid out in a folder.
WHEELS := build/wheels
FROM_WHEELS := $(PIP) --isolated install --quiet --no-index --find-links $(WHEELS)
EXTRAS := sqlalchemy,starlette,litestar,flask,jwt,signed,alembic
test-wheel: wheel
	$(call new-environment,build/venv-wheel)
	rm -rf $(WHEELS)
	build/venv-wheel/bin/python $(PIP) download --quiet --no-deps --only-binary :all: --require-hashes \
		--dest $(WHEELS) -r requirements/extras.txt
	cp dist/*.whl $(WHEELS)/
	build/venv-wheel/bin/python $(FROM_WHEELS) tenantshield-mw
	cd / && $(CURDIR)/build/venv-wheel/bin/python -I $(CURDIR)/tests/packaging/import_public_names.py --core-only
	build/venv-wheel/bin/python $(FROM_WHEELS) 'tenantshield-mw[$(EXTRAS)]'
	build/venv-wheel/bin/python $(PIP) check
	cd / && $(CURDIR)/build/venv-wheel/bin/python -I $(CURDIR)/tests/packaging/import_public_names.py

# Every package at its newest; UPGRADE= keeps the releases that are locked and still fit, and
# UPGRADE='--upgrade-package NAME' renews one.
UPGRADE ?= --upgrade
LOCK = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 $(UPGRADE) \
	--generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml

lock: $(VENV)/.dev
	$(LOCK) --all-extras --group dev -o requirements/dev.txt
	$(LOCK) --all-extras --group build --group test -c requirements/dev.txt -o requirements/test.txt
	$(LOCK) --group build --group test-core -c requirements/dev.txt -o requirements/core.txt
	$(LOCK) --extra sqlalchemy --extra starlette --group build --group demo -c requirements/dev.txt \
		-o requirements/demo.txt
	$(LOCK) --all-extras -c requirements/dev.txt -o requirements/extras.txt
	$(LOCK) --all-extras --group build --group test -c requirements/lowest.in -o requirements/lowest.txt
	$(PY) tests/packaging/check_lock_files.py $(BIN)/uv

clean:
	rm -rf $(VENV) .nox build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache \
		.ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(call new-environment,$(VENV))

$(VENV)/.test: requirements/test.txt pyproject.toml | $(VENV)/bin/python
	$(call install,$(VENV)/bin/python,requirements/test.txt)
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.test
	$(call install,$(VENV)/bin/python,requirements/dev.txt)
	@touch $@

# Half of the time that a small environment takes goes into its own pip, and a quarter into
# compiling what is never imported. The pip that stands beside $(PYTHON) will do.
$(DEMO)/.done: PIP = -m pip --python $(DEMO)/bin/python --disable-pip-version-check
$(DEMO)/.done: COMPILE = --no-compile
$(DEMO)/.done: requirements/demo.txt pyproject.toml
	$(call new-environment,$(DEMO),--without-pip)
	$(call install,$(PYTHON),requirements/demo.txt)
	@touch $@

build/venv-%/.done: requirements/%.txt pyproject.toml
	$(call new-environment,build/venv-$*)
	$(call install,build/venv-$*/bin/python,requirements/$*.txt)
	@touch $@
