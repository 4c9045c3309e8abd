"""A new object proves nothing before it is sent where each statement is a transaction."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String, create_engine, func, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantshield_mw import CrossTenantAccessError, TenantShieldError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, Database, DatabaseName, database, require


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Node(Base):
    __tablename__ = "auto_node"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("auto_node.id"))
    x: Mapped[int | None]
    parent: Mapped[Node | None] = relationship(remote_side="Node.id")


NODE: Any = Node.__table__
DRIVERS: dict[DatabaseName, dict[str, Any]] = {
    "sqlite": {"isolation_level": None},
    "postgresql": {"autocommit": True},
    "mariadb": {"autocommit": True},
}


def told_sqlalchemy(here: Database) -> Engine:
    if here.name == "sqlite":
        return create_engine(here.url, isolation_level="AUTOCOMMIT")
    return here.engine(isolation_level="AUTOCOMMIT")


def told_the_driver(here: Database) -> Engine:
    if here.name == "sqlite":
        return create_engine(here.url, connect_args=DRIVERS["sqlite"])
    return here.engine(connect_args=DRIVERS[here.name])


@contextmanager
def filled(name: DatabaseName, make: Callable[[Database], Engine]) -> Generator[Any]:
    require(name)
    with database(name) as here:
        engine = make(here)
        Base.metadata.create_all(engine)
        here.run("INSERT INTO auto_node VALUES (5, 'b', NULL, NULL)")
        yield here, engine
        engine.dispose()


MAKERS = pytest.mark.parametrize("make", [told_sqlalchemy, told_the_driver])
EACH = pytest.mark.parametrize("name", NAMES)


@MAKERS
@EACH
def test_a_new_object_that_cannot_be_inserted_proves_nothing(
    name: DatabaseName, make: Callable[[Database], Engine]
) -> None:
    with filled(name, make) as (here, engine):
        for objects in (
            [Node(id=6, parent_id=5), Node(id=5)],
            [Node(id=6, parent_id=5, x=func.abs(1)), Node(id=5, x=func.abs(2))],
            [Node(id=5), Node(id=6, parent_id=5)],
            [Node(id=5, x=func.abs(1)), Node(id=6, parent_id=5, x=func.abs(2))],
        ):
            with tenant_scope("a"), Session(engine) as session:
                session.add_all(objects)
                with pytest.raises((TenantShieldError, IntegrityError)):
                    session.commit()
        assert here.read("SELECT id, tenant_id, parent_id FROM auto_node") == [(5, "b", None)]


@MAKERS
@EACH
def test_neither_does_a_row_of_the_same_statement(
    name: DatabaseName, make: Callable[[Database], Engine]
) -> None:
    rows = [{"id": 6, "parent_id": 5}, {"id": 5, "parent_id": None}]
    with filled(name, make) as (here, engine):
        for statement, parameters in (
            (insert(NODE), rows),
            (insert(Node), rows),
            (insert(NODE).values(rows), None),
            (insert(NODE).returning(NODE.c.id), rows),
        ):
            refused = pytest.raises((CrossTenantAccessError, IntegrityError))
            with tenant_scope("a"), engine.connect() as connection, refused:
                connection.execute(statement, parameters)
        assert here.read("SELECT id, tenant_id, parent_id FROM auto_node") == [(5, "b", None)]


@MAKERS
@EACH
def test_objects_that_refer_to_each_other_are_inserted(
    name: DatabaseName, make: Callable[[Database], Engine]
) -> None:
    with filled(name, make) as (here, engine), tenant_scope("a"), Session(engine) as session:
        child = Node(id=10, parent=Node(id=20))
        session.add_all([Node(id=11, parent=child), child])
        session.commit()
        session.add_all([Node(id=30), Node(id=31, parent_id=30), Node(id=32, parent_id=20)])
        session.commit()
        assert here.read(
            "SELECT id, parent_id FROM auto_node WHERE tenant_id = 'a' ORDER BY 1"
        ) == [
            (10, 20),
            (11, 10),
            (20, None),
            (30, None),
            (31, 30),
            (32, 20),
        ]
