"""A key that a flush has proven in one database or schema proves nothing in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tests.databases import memory_engine

from ..firms import Base, Deal, Firm
from ..watching import creating, fill, rows, sent

OURS = "INSERT INTO refs_firm VALUES (1, 'acme', NULL)"
THEIRS = "INSERT INTO refs_firm VALUES (1, 'globex', NULL)"


def stored(*statements: str) -> Engine:
    return creating(Base.metadata, *statements)(memory_engine())


@pytest.fixture
def here() -> Iterator[Engine]:
    """The database that is written; the key 1 is another tenant's there."""
    engine = stored(THEIRS)
    yield engine
    assert rows(engine, "SELECT * FROM refs_deal") == []
    engine.dispose()


@pytest.fixture
def other() -> Iterator[Engine]:
    """A database in which the key 1 is the tenant's own."""
    engine = stored(OURS)
    yield engine
    engine.dispose()


Loaded = tuple[Session, Firm]


def a_bind_argument(here: Engine, other: Engine) -> Loaded:
    session = Session(here)
    return session, session.scalars(select(Firm), bind_arguments={"bind": other}).one()


def a_session_that_reads_elsewhere(here: Engine, other: Engine) -> Loaded:
    class Routed(Session):
        def get_bind(self, *args: Any, **kw: Any) -> Engine:
            return here if self._flushing else other

    session = Routed()
    return session, session.get_one(Firm, 1)


def a_merge(here: Engine, other: Engine) -> Loaded:
    session = Session(here)
    with Session(other) as reading:
        return session, session.merge(reading.get_one(Firm, 1), load=False)


def shards(here: Engine, other: Engine) -> ShardedSession:
    def chosen(mapper: Any, instance: Any, clause: Any = None) -> str:
        return "other" if isinstance(instance, Firm) else "here"

    make: Any = ShardedSession
    made: ShardedSession = make(
        shards={"here": here, "other": other},
        shard_chooser=chosen,
        identity_chooser=lambda mapper, key, **kw: ["other"],
        execute_chooser=lambda context: ["other"],
    )
    return made


def a_shard(here: Engine, other: Engine) -> Loaded:
    session = shards(here, other)
    return session, session.scalars(select(Firm)).one()


@pytest.mark.parametrize(
    "load", [a_bind_argument, a_session_that_reads_elsewhere, a_merge, a_shard]
)
def test_an_object_of_another_database_proves_nothing(
    here: Engine, other: Engine, load: Callable[[Engine, Engine], Loaded]
) -> None:
    with tenant_scope("acme"):
        session, kept = load(here, other)
        with session:
            session.add(Deal(id=2, firm_id=kept.id))
            with pytest.raises(CrossTenantAccessError):
                session.flush()


def test_an_object_that_the_same_flush_inserts_elsewhere_proves_nothing(
    here: Engine, other: Engine
) -> None:
    fill(other, "DELETE FROM refs_firm")
    with tenant_scope("acme"), shards(here, other) as session:
        session.add(Deal(id=2, firm=Firm(id=1)))
        with pytest.raises(CrossTenantAccessError):
            session.flush()


def test_objects_of_one_shard_are_inserted_together(other: Engine) -> None:
    fill(other, "DELETE FROM refs_firm")
    with tenant_scope("acme"), shards(other, other) as session, sent(other) as statements:
        session.add(Deal(id=2, firm=Firm(id=1)))
        session.commit()
    assert rows(other, "SELECT id, tenant_id, firm_id FROM refs_deal") == [(2, "acme", 1)]
    assert len(statements) == 2


def with_schemas(engine: Engine) -> None:
    """Attach a second schema, in which the key 1 is the tenant's own."""

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _record: Any) -> None:
        connection.execute("ATTACH ':memory:' AS elsewhere")
        connection.execute("CREATE TABLE elsewhere.refs_firm (id, tenant_id, name)")
        connection.execute(
            "CREATE TABLE elsewhere.refs_deal (id, tenant_id, firm_id, place_id, note)"
        )
        connection.execute("INSERT INTO elsewhere.refs_firm VALUES (1, 'acme', NULL)")


ELSEWHERE = {"schema_translate_map": {None: "elsewhere"}}


@pytest.mark.parametrize("moved", ["the query", "the flush"])
def test_an_object_of_another_schema_proves_nothing(moved: str) -> None:
    engine = memory_engine()
    with_schemas(engine)
    Base.metadata.create_all(engine)
    fill(engine, THEIRS if moved == "the query" else OURS)
    assert isinstance(engine.pool, StaticPool)
    if moved == "the flush":
        fill(engine, "UPDATE elsewhere.refs_firm SET tenant_id = 'globex'")
    with tenant_scope("acme"), Session(engine) as session:
        options = ELSEWHERE if moved == "the query" else {}
        kept = session.scalars(select(Firm), execution_options=options).one()
        if moved == "the flush":
            session.connection().execution_options(**ELSEWHERE)
        session.add(Deal(id=2, firm_id=kept.id))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
    engine.dispose()
