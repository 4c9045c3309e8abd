"""Copies of rows in the tables of the lifecycle, changed and compared by the driver alone."""

from __future__ import annotations

from typing import Any, Final

from tenantshield_mw.adapters.sqlalchemy.placements import Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows
from tenantshield_mw.adapters.sqlalchemy.provisioning.following import Copy
from tenantshield_mw.adapters.sqlalchemy.provisioning.journal import Journal
from tests.adapters.sqlalchemy.lifecycle.models import Base

from .estates import Estate

__all__ = ["ACME", "TABLES", "follow", "of_acme"]

ACME: Final = Placement(schema="acme")
TABLES: Final = [each.name for each in Base.metadata.sorted_tables]


def of_acme(estate: Estate, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the tenant by table."""
    owned = {
        "life_engineer": "id IN (SELECT id FROM {}.life_person WHERE tenant_id = 'acme')",
        "life_note": "line_id IN (SELECT id FROM {}.life_line WHERE tenant_id = 'acme')",
        "life_tagged": "person_id IN (SELECT id FROM {}.life_person WHERE tenant_id = 'acme')",
        "life_currency": "false",
    }
    found = {}
    for table in TABLES:
        condition = owned.get(table, "tenant_id = 'acme'").format(schema)
        # The document has no order of its own.
        select = f"SELECT t::text FROM {schema}.{table} t WHERE {condition} ORDER BY 1"
        found[table] = estate.here.read(select)
    return found


def follow(built: tuple[Estate, Fleet], both: tuple[Rows, Rows], *changes: str) -> bool:
    """Copy, change rows at the source, and complete the copy."""
    estate, fleet = built
    with Journal.opened(fleet) as journal, Copy.opened(*both) as copy:
        copy.make(journal)
        # Nobody sees any of it.
        assert not any(of_acme(estate, "acme").values())
        estate.here.run(*changes)
        return copy.complete()
