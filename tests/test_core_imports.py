"""The core depends only on the standard library and asgiref."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIST_FOREIGN_IMPORTS = """
import sys
before = set(sys.modules)
import {module}
allowed = sys.stdlib_module_names | {{"asgiref", "tenantshield_mw"}}
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - allowed))
print("adapters:", *sorted(name for name in sys.modules if ".adapters" in name))
"""


@pytest.mark.parametrize(
    "module",
    [
        "tenantshield_mw",
        "tenantshield_mw.asgi",
        "tenantshield_mw.jobs",
        "tenantshield_mw.wsgi",
        "tenantshield_mw.resolvers",
    ],
)
def test_importing_the_core_imports_no_framework_and_no_database_library(module: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIST_FOREIGN_IMPORTS.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.stdout.splitlines() == ["", "adapters:"]
