"""The extensions whose functions run SQL or read tables by name are known, and refused."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source, check
from tenantshield_mw.adapters.sqlalchemy.raw_sql.extensions import EXTENSIONS

CALLS = {
    "adminpack": "pg_file_write('x', 'y', false)",
    "amcheck": "bt_index_check(:name)",
    "dblink": "dblink_exec(:sql)",
    "pageinspect": "heap_page_items(:page)",
    "pg_buffercache": "pg_buffercache_pages()",
    "pg_cron": "cron.schedule(:when, :sql)",
    "pg_freespacemap": "pg_freespace(:name)",
    "pg_visibility": "pg_check_visible(:name)",
    "pg_walinspect": "pg_get_wal_record_info(:place)",
    "pgrowlocks": "pgrowlocks(:name)",
    "pgstattuple": "pgstatginindex(:name)",
    "postgres_fdw": "postgres_fdw_disconnect_all()",
    "tablefunc": "connectby(:name, :key, :parent, :start, 0)",
    "xml2": "xpath_table(:key, :column, :name, :paths, :condition)",
}


def test_there_is_a_call_for_each_extension_with_functions_of_its_own() -> None:
    assert set(CALLS) == {name for name, each in EXTENSIONS.items() if each.functions}


@pytest.mark.parametrize("extension", CALLS)
@pytest.mark.parametrize("source", [Source.DRIVER_SQL, Source.STATEMENT])
def test_its_functions_are_refused(engine: Engine, extension: str, source: Source) -> None:
    for sql in (f"SELECT {CALLS[extension]}", f"SELECT * FROM {CALLS[extension].upper()}"):
        with tenant_scope("acme"), pytest.raises(UnguardedStatementError, match="as a string"):
            check(RawText(sql, source, engine.dialect))
