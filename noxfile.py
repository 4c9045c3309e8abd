"""The suite on every available interpreter, with the lowest and the newest SQLAlchemy.

``make test`` and ``.ci/run`` do not need this; ``.venv/bin/nox`` runs the whole matrix.
"""

from __future__ import annotations

import shutil

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
SQLALCHEMY = {"lowest": "requirements/lowest.txt", "newest": "requirements/test.txt"}

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "venv"
# A missing interpreter is skipped, also in CI.
nox.options.error_on_missing_interpreters = False


def install(session: nox.Session, lock_file: str) -> None:
    # As in the Makefile: only the lock file, without resolving dependencies.
    complete = ("--no-deps", "--only-binary", ":all:", "--require-hashes")
    session.install(*complete, "-r", lock_file)
    session.install("--no-deps", "--no-build-isolation", "--editable", ".")


@nox.session(python=PYTHONS)
@nox.parametrize("sqlalchemy", list(SQLALCHEMY))
def tests(session: nox.Session, sqlalchemy: str) -> None:
    """The whole suite."""
    install(session, SQLALCHEMY[sqlalchemy])
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS)
def core(session: nox.Session) -> None:
    """The core and its tests, without any extras installed."""
    install(session, "requirements/core.txt")
    session.run("python", "-c", "import tenantshield_mw")
    session.run(
        "python", "-m", "pytest", "tests/core", "tests/resolvers", "tests/test_core_imports.py"
    )


@nox.session(python=False)
def static(session: nox.Session) -> None:
    """The static checks, on a non-editable install."""
    make = shutil.which("make") or "make"
    session.run(make, "static", external=True)
