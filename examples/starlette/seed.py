"""Fill an SQLite file with tenants: ``python -m examples.starlette.seed FILE``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import URL, create_engine
from sqlalchemy.orm import Session

from tenantshield_mw.adapters.sqlalchemy import SessionScope

from .models import Base, Currency, Customer, Invoice

__all__ = ["TENANTS", "Sale", "seed"]


class Sale(NamedTuple):
    """An invoice to be: its number, to whom, in which currency, how much in hundredths."""

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


def seed(database: Path, tenants: Mapping[str, Sequence[Sale]] = TENANTS) -> None:
    """Fill ``database``, which is made if it is not there."""
    engine = create_engine(URL.create("sqlite", database=str(database)))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for code, name in (("CHF", "Swiss franc"), ("EUR", "Euro"), ("USD", "US dollar")):
            session.merge(Currency(code=code, name=name))
        session.commit()
    for tenant_id, sales in tenants.items():
        with SessionScope(tenant_id), Session(engine) as session:
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
    engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.starlette.seed FILE")
    seed(Path(sys.argv[1]))
