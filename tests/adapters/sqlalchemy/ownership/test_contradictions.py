"""Two ``MetaData`` that say of one table that it belongs to tenants, but not in the same way."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from ..schemas import tenant_table
from .test_declaration import TWICE

pytestmark = pytest.mark.usefixtures("declared_for_a_test")


def of_two(first: dict[str, Any], second: dict[str, Any]) -> tuple[Table, ...]:
    """Return a table with two tenant-aware parents, and a copy, each declared in its own way."""
    found = []
    for options in (first, second):
        metadata = MetaData()
        for name in ("folder", "box"):
            tenant_aware(tenant_table(name, metadata))
        keys: Any = (Column(f"{each}_id", ForeignKey(f"{each}.id")) for each in ("folder", "box"))
        made = tenant_table("twin", metadata, *keys)
        found.append(tenant_aware(made, **options))
    return tuple(found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"column": "tenant_id"}, {"column": "folder_id"}),
        ({"through": "folder"}, {"through": "box"}),
        ({"through": "folder"}, {}),
        ({"shared_rows": "everybody"}, {}),
        ({"shared_rows": "everybody"}, {"shared_rows": "nobody"}),
    ],
)
def test_two_metadata_do_not_declare_it_in_two_ways(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=TWICE):
        of_two(first, second)


def test_nor_for_tenants_of_two_types() -> None:
    tenant_aware(tenant_table("twin", MetaData()))
    with pytest.raises(ConfigurationError, match=TWICE):
        tenant_aware(Table("twin", MetaData(), Column("tenant_id", Integer)))
