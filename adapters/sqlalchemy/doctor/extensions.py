"""Checks for PostgreSQL extensions whose functions take SQL or table names as strings.

https://www.postgresql.org/docs/current/contrib.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..rls.sql import quoted
from .findings import Finding
from .privileges import Server

__all__ = ["check_extensions"]

_SQL: Final = "run SQL that they are given as a string"
_TABLES: Final = "read a table or an index whose name they are given as a string"
_CODE: Final = "run code with the rights of the server"
_OUTSIDE: Final = "access other servers or files"

_FUNCTIONS: Final[Mapping[str, str]] = {
    "adminpack": _OUTSIDE,
    "amcheck": _TABLES,
    "dblink": _SQL,
    "file_fdw": _OUTSIDE,
    "mysql_fdw": _OUTSIDE,
    "oracle_fdw": _OUTSIDE,
    "pageinspect": _TABLES,
    "pg_background": _SQL,
    "pg_cron": _SQL,
    "pg_surgery": _TABLES,
    "pgrowlocks": _TABLES,
    "pgstattuple": _TABLES,
    "plperlu": _CODE,
    "plpython3u": _CODE,
    "plsh": _CODE,
    "pltclu": _CODE,
    "postgres_fdw": _OUTSIDE,
    "tablefunc": _SQL,
    "tds_fdw": _OUTSIDE,
    "xml2": _TABLES,
}


def check_extensions(server: Server) -> Iterator[Finding]:
    """Yield the extensions that let a statement read tables without the guard noticing."""
    for name in server.extensions:
        if name in _FUNCTIONS:
            yield Finding(
                "extension-takes-sql",
                None,
                f"The role may call functions of the extension {name} that "
                f"{_FUNCTIONS[name]}: the guard cannot see what they read.",
                f"DROP EXTENSION {quoted(name)}; or REVOKE EXECUTE on its functions from PUBLIC",
                object=name,
            )
