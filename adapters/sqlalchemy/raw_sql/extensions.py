"""PostgreSQL extensions that run SQL or read tables by name, out of the guard's sight.

The guard refuses calls of their functions (``functions.py``), and the doctor reports the
extensions themselves.

https://www.postgresql.org/docs/current/contrib.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["EXTENSIONS", "Extension"]


class Extension(NamedTuple):
    """What an extension makes possible.

    Attributes:
        does: what its functions do, in words that follow "functions that".
        functions: a pattern for the names of its functions, in which ``~`` is an optional gap,
            see ``patterns.py``; empty if they have no names of their own, as in a language.
    """

    does: str
    functions: str = ""


_SQL: Final = "run SQL that they are given as a string"
_TABLES: Final = "read a table or an index whose name they are given as a string"
_PAGES: Final = "read the pages or the log of the whole server"
_CODE: Final = "run code with the rights of the server"
_OUTSIDE: Final = "access other servers or files"

EXTENSIONS: Final[Mapping[str, Extension]] = MappingProxyType(
    {
        "adminpack": Extension(_OUTSIDE, r"pg_file_\w+|pg_logdir_ls"),
        "amcheck": Extension(_TABLES, r"bt_index_\w+|gin_index_check|verify_heapam"),
        "dblink": Extension(_SQL, r"dblink\w*"),
        "file_fdw": Extension(_OUTSIDE),
        "mysql_fdw": Extension(_OUTSIDE),
        "oracle_fdw": Extension(_OUTSIDE),
        "pageinspect": Extension(
            _TABLES,
            r"get_raw_page\w*|page_header|page_checksum|fsm_page_contents|tuple_data_split"
            r"|heap_page_\w+|heap_tuple_\w+|bt_(?:metap|page_\w+|multi_page_\w+)"
            r"|(?:brin|gin|gist|hash)_(?:metapage_info|page_(?:type|stats|items(?:_bytea)?"
            r"|opaque_info)|leafpage_items|revmap_data|bitmap_info)",
        ),
        "pg_background": Extension(_SQL),
        "pg_buffercache": Extension(_PAGES, r"pg_buffercache\w*"),
        # Only with the schema: other functions may have these names.
        "pg_cron": Extension(
            _SQL, r"cron~[\"`]?~\.~[\"`]?~(?:schedule(?:_in_database)?|alter_job)"
        ),
        "pg_freespacemap": Extension(_TABLES, r"pg_freespace"),
        "pg_surgery": Extension(_TABLES),
        "pg_visibility": Extension(
            _TABLES,
            r"pg_visibility\w*|pg_check_(?:frozen|visible)|pg_truncate_visibility_map",
        ),
        "pg_walinspect": Extension(_PAGES, r"pg_get_wal_\w+"),
        "pgrowlocks": Extension(_TABLES, r"pgrowlocks"),
        "pgstattuple": Extension(_TABLES, r"pgstat(?:tuple|(?:gin|hash)?index)\w*|pg_relpages\w*"),
        "plperlu": Extension(_CODE),
        "plpython3u": Extension(_CODE),
        "plsh": Extension(_CODE),
        "pltclu": Extension(_CODE),
        "postgres_fdw": Extension(_OUTSIDE, r"postgres_fdw_\w+"),
        "tablefunc": Extension(_SQL, r"crosstab\w*|connectby\w*"),
        "tds_fdw": Extension(_OUTSIDE),
        "xml2": Extension(_TABLES, r"xpath_table"),
    }
)
"""The extensions, by name."""
