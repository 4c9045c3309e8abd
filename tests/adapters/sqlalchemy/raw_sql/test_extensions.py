"""The extensions whose functions run SQL or read tables by name."""

from __future__ import annotations

from tenantshield_mw.adapters.sqlalchemy.raw_sql.extensions import EXTENSIONS


def test_the_extensions_with_such_functions_are_listed() -> None:
    assert {"dblink", "pageinspect", "pgstattuple", "tablefunc", "xml2"} <= set(EXTENSIONS)
