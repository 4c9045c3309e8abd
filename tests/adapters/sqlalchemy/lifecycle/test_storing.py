"""Rows are stored as they were written, without what the scope and the database give them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql

from tenantshield_mw.adapters.sqlalchemy.lifecycle.rows import TableRows
from tenantshield_mw.adapters.sqlalchemy.lifecycle.storing import (
    Insertion,
    Replacement,
    replaceable_columns,
    untouched_by_updates,
)

from .models import Base

DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]


def test_neither_the_key_nor_the_tenant_of_a_row_is_replaced() -> None:
    rows = TableRows(Base.metadata.tables["life_invoice"], DIALECT)
    assert replaceable_columns(rows) == ["currency", "total"]
    row = {"tenant_id": "acme", "number": 1, "currency": "EUR", "total": "1.5"}
    [inserted] = Insertion(rows).parameters([row])
    assert [str(each) for each in inserted.values()] == ["1", "EUR", "1.5"]
    [replaced] = Replacement(rows, ["currency"]).parameters([row])
    assert replaced == {"v0": "EUR", "k0": "acme", "k1": 1}


def test_an_update_writes_what_an_onupdate_would_change() -> None:
    rows = TableRows(Base.metadata.tables["life_person"], DIALECT)
    assert untouched_by_updates(rows, ["manager_id"]) == ["manager_id", "changed"]
