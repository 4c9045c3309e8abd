"""Checks for PostgreSQL extensions whose functions take SQL or names as strings.

https://www.postgresql.org/docs/current/contrib.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..rls.policies import quoted
from .findings import Finding
from .privileges import Server

__all__ = ["check_extensions"]

_SQL: Final = "SQL"
_TABLES: Final = "the name of a table or an index"
_CODE: Final = "code that runs with the rights of the server"
_OUTSIDE: Final = "connections to other servers or files"

_TAKES: Final[Mapping[str, str]] = {
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
    """Yield the extensions with which a statement can hide from the guard what it reads."""
    for name in server.extensions:
        if name in _TAKES:
            yield Finding(
                "extension-takes-sql",
                None,
                f"The extension {name} brings {_TAKES[name]} into functions that the role may "
                "call: the guard cannot see what they read.",
                f"DROP EXTENSION {quoted(name)}; or REVOKE EXECUTE on its functions from PUBLIC",
                object=name,
            )
