# Every target sets up what it needs. Requires Python 3.11 or newer with pip, and make.
#
#   make demo      run the Starlette example with two tenants; ONCE=1 stops after the table
#   make test      the whole suite, warnings as errors, with branch coverage; ARGS="..." for
#                  pytest, WORKERS=0 for one process
#   make static    ruff, mypy, pyright, import-linter
#   make docs      the site, into build/site
#   make bench     every module of benchmarks/
#   make help      the rest

PYTHON ?= python3
N ?= 2000
# The number of processes for the suite, one more than processors, since the tests often wait for a
# server; 0 for a single process, to use a debugger.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PY := $(BIN)/python
DEMO := build/venv-demo
PIP := -m pip --disable-pip-version-check
# A lock file is complete, so pip resolves nothing: the result would depend on pip's version and
# on later releases. A source distribution would be built with the newest build tools.
INSTALL = $(PIP) install --quiet --no-deps --only-binary :all: --require-hashes $(COMPILE) -r
# The setuptools that builds this package is in the lock file, too.
THIS = $(PIP) install --quiet --no-deps --no-build-isolation
STARTED := $(shell date +%s)
# Each process gets a contiguous part of the tests, so that few fixtures are set up twice. The
# tests run in the order in which they are written; ORDER="-p randomly" for a random order.
ORDER ?= -p no:randomly
SPREAD = -n $(WORKERS) --dist worksteal $(ORDER)

# Use this checkout's own venv, even if the caller has activated or exported another one.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

CHECKED = noxfile.py $(foreach folder,tests benchmarks examples tools,\
	$(if $(shell find $(folder) -name '*.py'),$(folder)))

.DELETE_ON_ERROR:
.PHONY: help demo test test-lowest test-core test-postgresql test-python test-suites test-wheel static format docs bench leaks mutants fuzz soak \
	screenshots servers wheel lock clean

help:
	@sed -n 's/^#   //p' Makefile
	@echo 'make test-lowest  the suite on the lowest releases of the dependencies'
	@echo 'make test-core    the tests of the core and resolvers, without any extras installed'
	@echo 'make test-postgresql  the tests that need PostgreSQL, on each release installed from Debian'
	@echo 'make test-suites  the frameworks'"'"' own suites, with the middleware around their apps'
	@echo 'make wheel        build the wheel into dist/'
	@echo 'make test-python SUITE=trixie  the suite on the Python of another Debian (Debian, root)'
	@echo 'make test-wheel   import every public name of the wheel from empty environments'
	@echo 'make leaks        run the attack catalogue, and write docs/leaks.md'
	@echo 'make mutants      remove check after check from the guard; a test must fail for each'
	@echo 'make fuzz N=2000  this many random statements and writes against the oracle'
	@echo 'make soak         200 clients, faults and a restart, direct and through PgBouncer'
	@echo 'make screenshots  update docs/images/'
	@echo 'make servers      install the servers and the browser that some tests need (Debian, root)'
	@echo 'make format       ruff format, and ruff'"'"'s safe fixes'
	@echo 'make lock         update the lock files in requirements/'
	@echo 'make clean        remove everything that the other targets created'

# $(call new-environment,FOLDER,OPTIONS): a venv with $(PYTHON), if that is new enough.
define new-environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo '$(PYTHON) is older than Python 3.11; give a newer one: make PYTHON=python3.12 ...' >&2; exit 1; }
@echo "Making an environment with $$($(PYTHON) --version) in $(1)"
@rm -rf $(1)
@$(PYTHON) -m venv $(2) $(1)
endef

# $(call install,PYTHON,LOCK FILE): installs the lock file and this checkout.
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

# Tests of whole servers and commands, which hardly depend on the lowest versions, run only on the
# newest.
test-lowest: build/venv-lowest/.done
	build/venv-lowest/bin/python -m pytest $(SPREAD) $(addprefix --ignore=tests/,\
		browser docs servers caches transparency soak packaging adapters/sqlalchemy/provisioning \
		adapters/sqlalchemy/lifecycle) -k 'not place_of_their_own' --no-cov $(ARGS)

test-core: build/venv-core/.done
	build/venv-core/bin/python -m pytest $(SPREAD) tests/core tests/resolvers $(ARGS)

POSTGRESQL = $(wildcard /usr/lib/postgresql/*/bin)
test-postgresql: $(VENV)/.test
	@test -n "$(POSTGRESQL)" || { echo 'no PostgreSQL in /usr/lib/postgresql; make servers installs one' >&2; exit 1; }
	set -e; for programs in $(POSTGRESQL); do \
		$(PY) -m tests.other_postgresql $$programs $(SPREAD) tests/adapters/sqlalchemy tests/leaks \
			tests/oracle -k 'postgres or rls or alembic or doctor or citus or policies' $(ARGS); \
	done

# The frameworks' own suites, from their source distributions, must have the same outcome with the
# middleware around their apps as without.
test-suites: $(VENV)/.test
	$(PY) -m tests.suites

# The Python of another Debian release, in a separate root in build/: PYTHON=python3.15 for another
# version than that release's default, TARGET=test-core for another target.
SUITE ?= trixie
TARGET ?= test
test-python: export WORKERS := $(WORKERS)
# Passed through the environment, since it may contain quotes.
test-python: export ARGS := $(ARGS)
test-python:
	@tools/test-python $(SUITE) $(PYTHON) $(TARGET)

docs: $(VENV)/.test
	@echo 'Building the site in build/site'
	@$(PY) -m tools.site

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

# Tests that need one of these are skipped with the reason if it is missing. Run level 1 keeps the
# packages from starting services: each test starts what it needs.
SERVERS = nginx varnish pgbouncer chromium postgresql redis-server rabbitmq-server
servers:
	apt-get update -qq
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVERS)

# mypy, pyright and import-linter do not follow an editable install of a package in another folder.
# So they check a plain install, with copies of the tests and examples next to it. The paths that
# they print are the repository's, except for adapters/.
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

# Install the wheel outside the checkout, first alone and then with every extra. Here pip resolves
# the dependencies, as for a user, but finds only the lock file's releases, in a folder.
WHEELS := build/wheels
FROM_WHEELS := $(PIP) --isolated install --quiet --no-index --find-links $(WHEELS)
EXTRAS := sqlalchemy,starlette,litestar,flask,jwt,signed,alembic,celery,dramatiq,opentelemetry,rq,taskiq
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

# The newest version of every package; UPGRADE= keeps locked versions that still fit, and
# UPGRADE='--upgrade-package NAME' upgrades one package.
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

# Half of the time to create a small environment goes into its own pip, and a quarter into compiling
# modules that are never imported. The pip of $(PYTHON) is used instead.
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
