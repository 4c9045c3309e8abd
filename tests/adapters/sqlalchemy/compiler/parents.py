"""Parents of two tenants, and tables that refer to them in ways that NULL could break."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    false,
    select,
)
from sqlalchemy.orm import DeclarativeBase, relationship

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database, DatabaseName, database, require

METADATA: Final = MetaData()
LOOSE: Final = {"connect_args": {"sql_mode": ""}}


def parent_id(**options: Any) -> Column[Any]:
    return Column("parent_id", ForeignKey("null_parent.id"), **options)


PARENT = tenant_aware(
    Table(
        "null_parent",
        METADATA,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
        Column("name", String(20)),
    )
)
OWN = tenant_aware(
    Table(
        "null_own",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        parent_id(nullable=False),
    )
)
TIED = Table(
    "null_tied", METADATA, Column("id", Integer, primary_key=True), parent_id(nullable=False)
)
LOOSELY = tenant_aware(
    Table("null_loosely", METADATA, Column("id", Integer, primary_key=True), parent_id()),
    through="null_parent",
)
PAIR = tenant_aware(
    Table(
        "null_pair",
        METADATA,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("k", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
    )
)
TO_PAIR = tenant_aware(
    Table(
        "null_to_pair",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        Column("pair_id", Integer, nullable=False),
        Column("k", Integer, nullable=False),
        ForeignKeyConstraint(["pair_id", "k"], ["null_pair.id", "null_pair.k"]),
    )
)


def one_to_one(numbering: Any, *more: Any) -> Table:
    """Return a table whose primary key is a foreign key, as SQLAlchemy numbers it or not."""
    key = ForeignKey("null_parent.id")
    return Table(
        f"null_one_{numbering}_{len(more)}",
        METADATA,
        Column("id", Integer, key, primary_key=True, autoincrement=numbering),
        Column("x", Integer),
        *more,
    )


ONE: Final = {
    (numbering, kind): tenant_aware(one_to_one(numbering, Column("tenant_id", String(20))))
    if kind == "own"
    else one_to_one(numbering)
    for numbering in ("auto", "ignore_fk")
    for kind in ("own", "tied")
}

NONE = select(PARENT.c.id).where(false()).scalar_subquery()
ROWS = (
    "INSERT INTO null_parent VALUES (0, 'b', 'zero'), (1, 'b', 'one')",
    "INSERT INTO null_parent VALUES (7, 'a', 'ours'), (8, 'a', 'ours too')",
    "INSERT INTO null_pair VALUES (1, 0, 'b')",
    "INSERT INTO null_own (id, tenant_id, parent_id) VALUES (1, 'a', 7)",
    "INSERT INTO null_tied (id, parent_id) VALUES (1, 7)",
    "INSERT INTO null_loosely (id, parent_id) VALUES (1, 7)",
)


class Base(DeclarativeBase):
    metadata = METADATA


class Own(Base):
    __table__ = OWN


class Parent(Base):
    __table__ = PARENT
    children = relationship(Own)
    one_auto = relationship("OneAuto", uselist=False)
    tied_auto = relationship("TiedAuto", uselist=False)
    one_ignore_fk = relationship("OneNumbered", uselist=False)
    tied_ignore_fk = relationship("TiedNumbered", uselist=False)


class OneAuto(Base):
    __table__ = ONE["auto", "own"]


class TiedAuto(Base):
    __table__ = ONE["auto", "tied"]


class OneNumbered(Base):
    __table__ = ONE["ignore_fk", "own"]


class TiedNumbered(Base):
    __table__ = ONE["ignore_fk", "tied"]


@contextmanager
def filled(name: DatabaseName, **options: Any) -> Generator[tuple[Database, Engine]]:
    require(name)
    with database(name) as here:
        engine = here.engine(**options)
        METADATA.create_all(engine)
        here.run(*ROWS)
        yield here, engine
        engine.dispose()


def run(engine: Engine, statement: Any, parameters: Any = None) -> None:
    with tenant_scope("a"), engine.begin() as connection:
        connection.execute(statement, parameters)


def strays(here: Database, table: str, key: str = "parent_id") -> list[tuple[Any, ...]]:
    """The rows of a table that refer to no row of the tenant's."""
    return here.read(
        f"SELECT id FROM {table} WHERE {key} IS NULL"
        f" OR {key} NOT IN (SELECT id FROM null_parent WHERE tenant_id = 'a')"
    )
