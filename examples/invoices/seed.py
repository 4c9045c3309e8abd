"""Create the database file with two tenants: ``python -m examples.invoices.seed FILE``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import URL, Connection, create_engine, event, func, select
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import SessionScope

from .models import Base, Currency, Customer, Invoice

__all__ = ["TENANTS", "Sale", "database_file", "seed"]


class Sale(NamedTuple):
    """An invoice to insert; the amount is in hundredths of the currency."""

    number: str
    customer: str
    currency_code: str
    amount: int


TENANTS: Final[Mapping[str, Sequence[Sale]]] = {
    "acme": (
        Sale("ACM-1001", "Brown & Sons", "EUR", 125_000),
        Sale("ACM-1002", "Brown & Sons", "EUR", 8_950),
        Sale("ACM-1003", "Dubois <Lyon>", "CHF", 46_700),
        Sale("ACM-1004", "Kowalski", "EUR", 310_000),
    ),
    "globex": (
        Sale("GLX-7001", "Northwind", "USD", 990_000),
        Sale("GLX-7002", "Sirius Shipping", "USD", 54_320),
        Sale("GLX-7003", "Sirius Shipping", "EUR", 1_200),
    ),
}

CURRENCIES: Final = {"CHF": "Swiss franc", "EUR": "Euro", "USD": "US dollar"}


def database_file() -> Path:
    """Return the file named by ``INVOICES_DATABASE``, by default ``invoices.sqlite3``."""
    return Path(os.environ.get("INVOICES_DATABASE", "invoices.sqlite3")).absolute()


def seed(database: Path, tenants: Mapping[str, Sequence[Sale]] = TENANTS) -> None:
    """Create the tables, and insert the rows of ``tenants`` if there are no invoices yet.

    Args:
        database: the SQLite file; created if it does not exist.
        tenants: the invoices of each tenant.
    """
    # A server may start several processes at once: one inserts the rows, and the others wait
    # for up to a minute and then find them.
    url = URL.create("sqlite", database=str(database))
    engine = create_engine(url, connect_args={"timeout": 60})
    event.listen(engine, "connect", _begin_explicitly)
    event.listen(engine, "begin", _lock)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        with system_scope("check whether there are any invoices"):
            is_filled = connection.scalar(select(func.count()).select_from(Invoice))
        if not is_filled:
            _fill(connection, tenants)
    engine.dispose()


def _fill(connection: Connection, tenants: Mapping[str, Sequence[Sale]]) -> None:
    with Session(connection) as session:
        session.add_all(Currency(code=code, name=name) for code, name in CURRENCIES.items())
        session.commit()
    for tenant_id, sales in tenants.items():
        # A session serves one tenant.
        with SessionScope(tenant_id), Session(connection) as session:
            customers = {name: Customer(name=name) for name in {sale.customer for sale in sales}}
            session.add_all(
                Invoice(
                    number=sale.number,
                    customer=customers[sale.customer],
                    currency_code=sale.currency_code,
                    amount=sale.amount,
                )
                for sale in sales
            )
            session.commit()


def _begin_explicitly(connection: Any, record: Any) -> None:
    # By default Python's driver begins the transaction itself, and too late.
    connection.isolation_level = None


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.invoices.seed FILE")
    seed(Path(sys.argv[1]))
