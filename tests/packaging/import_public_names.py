"""Import every public name of the installed distribution.

Run it with the interpreter of an environment that holds the wheel, isolated and from
outside of the checkout: ``python -I .../import_public_names.py [--core-only]``. With
``--core-only`` the adapters are left out and the environment must hold nothing but the
distribution and its hard dependencies.

Standard library only, since it runs where no test tool is installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages

PACKAGE = "tenantshield_mw"
ADAPTERS = f"{PACKAGE}.adapters"
CORE_DISTRIBUTIONS = {"asgiref", "pip", "setuptools", "tenantshield-mw"}
CORE_IMPORTS = {"asgiref", PACKAGE} | sys.stdlib_module_names
IMPORTED_AT_START = frozenset(sys.modules)
# Imported only where this package is, which is no dependency of any extra.
REQUIRES = {
    f"{ADAPTERS}.sqlalchemy.rls.psycopg_sending": "psycopg",
    **{
        f"{ADAPTERS}.testing.{name}": "pytest"
        for name in [
            "plugin",
            "async_tests",
            "baseline",
            "connections",
            "fixtures",
            "database_fixtures",
        ]
    },
}


def public_modules(*, core_only: bool) -> Iterator[str]:
    package = import_module(PACKAGE)
    yield PACKAGE
    for module in walk_packages(package.__path__, f"{PACKAGE}."):
        if any(part.startswith("_") for part in module.name.split(".")):
            continue
        if core_only and (module.name == ADAPTERS or module.name.startswith(f"{ADAPTERS}.")):
            continue
        if module.name in REQUIRES and find_spec(REQUIRES[module.name]) is None:
            continue
        yield module.name


def problems_of(name: str) -> Iterator[str]:
    module = import_module(name)
    installed_in = Path(sys.prefix).resolve()
    if module.__file__ is None or installed_in not in Path(module.__file__).resolve().parents:
        yield f"{name} comes from {module.__file__}, not from the environment {installed_in}"
    exported = getattr(module, "__all__", None)
    if exported is None:
        if name != ADAPTERS:
            yield f"{name} has no __all__"
        return
    for public in exported:
        if not hasattr(module, public):
            yield f"{name}.__all__ names {public!r}, which it does not have"
        else:
            print(f"{name}.{public}")


def foreign_to_the_core() -> Iterator[str]:
    for distribution in distributions():
        if distribution.metadata["Name"].lower() not in CORE_DISTRIBUTIONS:
            yield f"the environment also holds {distribution.metadata['Name']}"
    imported = {name.partition(".")[0] for name in sys.modules.keys() - IMPORTED_AT_START}
    for name in sorted(imported - CORE_IMPORTS):
        yield f"importing the core imported {name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core-only", action="store_true")
    core_only: bool = parser.parse_args().core_only
    problems = [
        problem for name in public_modules(core_only=core_only) for problem in problems_of(name)
    ]
    if core_only:
        problems += foreign_to_the_core()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
