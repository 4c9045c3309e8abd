"""Starts an example with the command from its README."""

from __future__ import annotations

import re
import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import httpx

from tests.commands import ROOT, serving

__all__ = ["ASGI", "EXAMPLES", "client_of", "readme", "started"]

ASGI: Final = ("starlette", "litestar", "fastapi")
EXAMPLES: Final = (*ASGI, "flask")


def readme(name: str) -> str:
    return (ROOT / "examples" / name / "README.md").read_text()


def started(name: str, database: Path) -> AbstractContextManager[str]:
    """Return a context manager that serves the example and yields its address.

    Args:
        name: one of ``EXAMPLES``.
        database: the SQLite file; the example makes it if it is not there.
    """
    command = re.search(r"^## Start it\n.*?^\$ (.+?)$", readme(name), re.DOTALL | re.MULTILINE)
    assert command is not None
    environ = {"INVOICES_DATABASE": str(database)}
    return serving(*shlex.split(command[1]), "--port", "0", environ=environ)


def client_of(address: str, tenant_id: str | None = None) -> httpx.Client:
    """Return a client that sends one tenant, or none."""
    headers = {} if tenant_id is None else {"X-Tenant-ID": tenant_id}
    return httpx.Client(base_url=address, headers=headers, trust_env=False)
