"""A row that the database skips when it is inserted proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.sql.expression import Insert

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database, database, require
from tests.places import engine_here


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Node(Base):
    __tablename__ = "skip_node"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("skip_node.id"))
    leaves: Mapped[list[Leaf]] = relationship(back_populates="node")


@tenant_aware
class Leaf(Base):
    __tablename__ = "skip_leaf"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    node_id: Mapped[int] = mapped_column(ForeignKey("skip_node.id"))
    node: Mapped[Node] = relationship(back_populates="leaves")


class Ignoring(Insert):
    """An INSERT whose text the application replaces."""

    inherit_cache = True


@compiles(Ignoring)
def _ignoring(element: Any, compiler: Any, **kw: Any) -> str:
    text: str = compiler.visit_insert(element, **kw)
    if compiler.dialect.name == "postgresql":
        return f"{text} ON CONFLICT DO NOTHING"
    ignore = "INSERT OR IGNORE" if compiler.dialect.name == "sqlite" else "INSERT IGNORE"
    return text.replace("INSERT", ignore, 1)


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        engine.dispose()
        here.run("INSERT INTO skip_node VALUES (1, 'acme', NULL), (3, 'globex', NULL)")
        yield here


engine = engine_here


def _ignore_conflicts(engine: Engine) -> None:
    @event.listens_for(engine, "before_execute", retval=True)
    def ignore(connection: Any, element: Any, many: Any, one: Any, options: Any) -> Any:
        if isinstance(element, Insert):
            prefix = {"sqlite": "OR IGNORE", "mariadb": "IGNORE", "mysql": "IGNORE"}
            if connection.dialect.name in prefix:
                element = element.prefix_with(prefix[connection.dialect.name])
            else:
                # PostgreSQL has no such prefix.
                element = _as_ignoring(element)
        return element, many, one


def _as_ignoring(element: Any) -> Any:
    made = Ignoring.__new__(Ignoring)
    made.__dict__.update(element.__dict__)
    return made


def test_an_object_whose_row_is_skipped_is_no_parent(here: Database, engine: Engine) -> None:
    _ignore_conflicts(engine)
    for parent in (Node(id=3, leaves=[Leaf(id=11)]), Node(id=3)):
        with tenant_scope("acme"), Session(engine) as session:
            session.add(parent)
            if not parent.leaves:
                session.add(Leaf(id=12, node_id=3))
            with pytest.raises(CrossTenantAccessError):
                session.flush()
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Node(id=4, leaves=[Leaf(id=13)]))
        session.commit()
    assert here.read("SELECT id, node_id FROM skip_leaf") == [(13, 4)]


def test_a_row_of_the_same_statement_that_is_skipped_is_none(
    here: Database, engine: Engine
) -> None:
    rows: list[dict[str, Any]] = [{"id": 3, "parent_id": None}, {"id": 50, "parent_id": 3}]
    table: Any = Node.__table__
    with tenant_scope("acme"), engine.connect() as connection:
        with pytest.raises(CrossTenantAccessError), connection.begin_nested():
            connection.execute(Ignoring(table), rows)
        with pytest.raises(CrossTenantAccessError), connection.begin_nested():
            connection.execute(Ignoring(table).values(rows))
    assert here.read("SELECT id FROM skip_node ORDER BY id") == [(1,), (3,)]
