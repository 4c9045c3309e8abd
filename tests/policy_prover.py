"""Lints policies, and proves what they let through, with an open-source tool.

pgrls is used by its command line. It knows nothing of this package: it is told how the functions
that return the tenant are called, and which columns hold one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import URL

__all__ = ["MODES", "Mode", "lint_errors", "store_as_text", "verdicts"]

Mode: TypeAlias = Literal["anon", "cross-tenant", "write"]
MODES: Final[tuple[Mode, ...]] = ("anon", "cross-tenant", "write")

_CONFIG: Final = """
[lint.rules.SEC021]
identity_columns = ["tenant_id", "tenant id"]
"""

_FUNCTIONS: Final = [
    schema + name
    for schema in ("", "tenantshield.")
    for name in (
        "tenantshield_text",
        "tenantshield_text_as_char",
        "tenantshield_text_as_hex",
        "tenantshield_text_as_uuid",
        "tenantshield_integer",
        "tenantshield_uuid",
        "tenantshield_uuid_as_hex",
    )
]


def store_as_text(columns: list[tuple[str, str]]) -> list[str]:
    """Return the statements that make columns ``text``; call it before creating policies.

    The prover does not understand the cast that PostgreSQL adds to a ``varchar`` column. It says
    that such a policy is not verified, whatever it compares. The policies are the same.
    """
    return [f'ALTER TABLE "{table}" ALTER COLUMN "{name}" TYPE text' for table, name in columns]


def lint_errors(url: URL, folder: Path) -> set[tuple[str, str]]:
    """Return the errors that the linter finds: each the rule and what breaks it."""
    found = _run(url, folder, "lint", "--fail-on", "error")
    return {
        (each["rule_id"], each["location"].removeprefix("public."))
        for each in found["violations"]
        if each["severity"] == "error"
    }


def verdicts(url: URL, folder: Path, mode: Mode) -> dict[str, str]:
    """Return ``isolated``, ``leak`` or ``unverified`` for each table with policies."""
    functions = [text for each in _FUNCTIONS for text in ("--auth-function", each)]
    found = _run(url, folder, "verify", "--mode", mode, *functions)
    return {each["table"].removeprefix("public."): each["verdict"] for each in found["tables"]}


def _run(url: URL, folder: Path, command: str, *arguments: str) -> Any:
    config = folder / "pgrls.toml"
    config.write_text(_CONFIG)
    program = Path(sys.executable).with_name("pgrls")
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = ["--config", str(config), "--format", "json", "--database-url", plain]
    done = subprocess.run(
        [program, command, *options, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    # 1 says that something was found.
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)
