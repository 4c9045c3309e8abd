"""Invoices on the command line, for one tenant or for each tenant in turn.

No query mentions a tenant: ``SessionScope`` gives a session its tenant, and the model is marked
as tenant-aware.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import CrossTenantAccessError, TenantResolutionError
from tenantshield_mw.adapters.sqlalchemy import (
    SessionScope,
    require_declared,
    shared_across_tenants,
    tenant_aware,
)

__all__ = ["main"]


class Base(DeclarativeBase):
    pass


@shared_across_tenants
class Tenant(Base):
    __tablename__ = "tenant"

    id: Mapped[str] = mapped_column(primary_key=True)


@tenant_aware
class Invoice(Base):
    __tablename__ = "invoice"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    number: Mapped[str]
    amount: Mapped[int]  # in hundredths


require_declared(Base)


def add(session: Session, number: str, amount: int, owner: str | None) -> str:
    invoice = Invoice(number=number, amount=amount)
    if owner is not None:
        invoice.tenant_id = owner
    session.add(invoice)
    session.commit()
    return f"added {number}"


def report(session: Session) -> str:
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(Invoice.amount), 0)).select_from(Invoice)
    ).one()
    return f"{count} invoices, {total / 100:.2f}"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.cli.app", description=__doc__)
    parser.add_argument("database", type=Path, help="an SQLite file; created if it does not exist")
    tenants = parser.add_mutually_exclusive_group(required=True)
    tenants.add_argument("--tenant", help="one tenant")
    tenants.add_argument("--all", action="store_true", help="each tenant in turn")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("report", help="the number of invoices and their total")
    adding = commands.add_parser("add", help="add an invoice")
    adding.add_argument("number")
    adding.add_argument("amount", type=int, help="in hundredths")
    adding.add_argument("--owner", help="the tenant of the invoice; try another tenant")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = parsed(arguments)
    engine = create_engine(URL.create("sqlite", database=str(options.database)))
    Base.metadata.create_all(engine)
    try:
        with Session(engine) as session:
            if options.tenant is not None and options.command == "add":
                session.merge(Tenant(id=options.tenant))
                session.commit()
            tenants = session.scalars(select(Tenant.id).order_by(Tenant.id)).all()
        for tenant in tenants if options.all else [options.tenant]:
            # A session serves one tenant, so each gets a new one.
            with SessionScope(tenant), Session(engine) as session:
                if options.command == "add":
                    line = add(session, options.number, options.amount, options.owner)
                else:
                    line = report(session)
                print(f"{tenant}: {line}")
    except (CrossTenantAccessError, TenantResolutionError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
