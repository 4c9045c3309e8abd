"""Checks for PostgreSQL extensions whose functions take SQL or table names as strings."""

from __future__ import annotations

from collections.abc import Iterator

from ..raw_sql.extensions import EXTENSIONS
from ..rls.sql import quoted
from .findings import Finding
from .privileges import Server

__all__ = ["check_extensions"]


def check_extensions(server: Server) -> Iterator[Finding]:
    """Yield the extensions that let a statement read tables without the guard noticing."""
    for name in server.extensions:
        if name in EXTENSIONS:
            yield Finding(
                "extension-takes-sql",
                None,
                f"The role may call functions of the extension {name} that "
                f"{EXTENSIONS[name].does}: the guard cannot see what they read.",
                f"DROP EXTENSION {quoted(name)}; or REVOKE EXECUTE on its functions from PUBLIC",
                object=name,
            )
