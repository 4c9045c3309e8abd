"""The contents of the database, read without SQLAlchemy and so without the guard."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["Contents", "Rows", "count_rows", "read_contents"]

Rows: TypeAlias = Mapping[int, Mapping[str, object]]
"""Rows by id, each a mapping by column name."""


@dataclass(frozen=True)
class Contents:
    invoices: Rows
    customers: Rows

    def invoices_of(self, tenant_id: str) -> Rows:
        return _of(tenant_id, self.invoices)

    def customers_of(self, tenant_id: str) -> Rows:
        return _of(tenant_id, self.customers)

    def numbers_of(self, tenant_id: str) -> set[str]:
        return {str(row["number"]) for row in self.invoices_of(tenant_id).values()}

    def names_of(self, tenant_id: str) -> set[str]:
        return {str(row["name"]) for row in self.customers_of(tenant_id).values()}

    def crossed_references(self) -> set[int]:
        """Return the ids of the invoices that refer to another tenant's customer."""
        return {
            invoice_id
            for invoice_id, row in self.invoices.items()
            if row["tenant_id"] != self.customers[_integer(row["customer_id"])]["tenant_id"]
        }


def _of(tenant_id: str, rows: Rows) -> Rows:
    return {key: row for key, row in rows.items() if row["tenant_id"] == tenant_id}


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def read_contents(database: Path) -> Contents:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return Contents(
            invoices=_rows(connection, "SELECT * FROM invoice ORDER BY id"),
            customers=_rows(connection, "SELECT * FROM customer ORDER BY id"),
        )


def count_rows(database: Path, table: str) -> int:
    """Return the number of rows in one of the models' tables, of all tenants."""
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
        return count


def _rows(connection: sqlite3.Connection, query: str) -> Rows:
    return {row["id"]: dict(row) for row in connection.execute(query)}
