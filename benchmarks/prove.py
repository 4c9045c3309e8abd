"""How long ``tenantshield-mw prove`` takes for a program of 100 tables.

Each table has its own tenant column and refers to the one before it, as in a program that has
grown. The ways are tried on SQLite in memory, and on PostgreSQL with and without policies.

The benchmark fails if a way leaks, or if a place takes two minutes of processor time or longer; the
wall clock is printed beside it, since it depends on what else the machine does.

Run it as ``python -m benchmarks.prove``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy
from sqlalchemy import ForeignKey, StaticPool, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.measure import machine
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.prove import Outcome, prove
from tests.databases import database
from tests.policy_database import PolicyDatabase, policy_database

TABLES: Final = 100
AIM: Final = 120.0
"""Seconds."""


class Base(DeclarativeBase):
    pass


_models: Final[list[type]] = []
"""So that they live; SQLAlchemy's registry does not see to it."""


def declare() -> None:
    """Declare the tables."""
    for number in range(TABLES):
        columns: dict[str, Any] = {
            "__tablename__": f"bench_prove_{number}",
            "__annotations__": {
                "id": Mapped[int],
                "tenant_id": Mapped[str],
                "name": Mapped[str],
                "amount": Mapped[int],
            },
            "id": mapped_column(primary_key=True),
            "tenant_id": mapped_column(String(40), index=True),
            "name": mapped_column(String(100)),
            "amount": mapped_column(),
        }
        if number:
            columns["__annotations__"]["before_id"] = Mapped[int]
            columns["before_id"] = mapped_column(ForeignKey(f"bench_prove_{number - 1}.id"))
        _models.append(tenant_aware(type(f"Prove{number}", (Base,), columns)))


def in_memory() -> list[Outcome]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        return prove(engine, Base.metadata, Base.registry.mappers)
    finally:
        engine.dispose()


def on_postgresql() -> list[Outcome]:
    with database("postgresql") as here:
        engine = create_engine(here.url)
        try:
            return prove(engine, Base.metadata, Base.registry.mappers)
        finally:
            engine.dispose()


def with_policies() -> list[Outcome]:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        here.run(f"ALTER ROLE {here.owner} LOGIN")
        app, owner = (create_engine(here.url.set(username=role)) for role in (here.app, here.owner))
        try:
            return prove(
                app, Base.metadata, Base.registry.mappers, owner=owner, system_role=here.system
            )
        finally:
            app.dispose()
            owner.dispose()


PLACES: Final[dict[str, Callable[[], list[Outcome]]]] = {
    "SQLite in memory": in_memory,
    "PostgreSQL": on_postgresql,
    "PostgreSQL, policies": with_policies,
}


def leaks(found: list[Outcome]) -> list[Outcome]:
    return [each for each in found if each.verdict in ("leak", "error") and not each.is_open]


def main() -> int:
    declare()
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}; {TABLES} tables")
    failed = False
    for name, run in PLACES.items():
        begun, worked = time.perf_counter(), time.process_time()
        found = run()
        took, cpu = time.perf_counter() - begun, time.process_time() - worked
        failed = failed or cpu >= AIM or bool(leaks(found))
        print(
            f"{name}: {len(found)} outcomes, {len(leaks(found))} leaks, {took:.0f} s, "
            f"{cpu:.0f} s of processor time here",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
