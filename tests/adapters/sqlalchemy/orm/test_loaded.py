"""Which objects in memory prove whose row a foreign key refers to."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased, make_transient, make_transient_to_detached
from sqlalchemy.orm.exc import ObjectDeletedError

from tenantshield_mw import CrossTenantAccessError, TenantShieldError, tenant_scope

from ..firms import DEAL, FIRM, Deal, Firm, Step, seed
from ..watching import engine_in_memory, fill, rows, sent

engine = engine_in_memory(seed)


# -- the ORM ---------------------------------------------------------------------


def test_objects_that_point_at_another_tenants_row_are_refused_in_a_flush(engine: Engine) -> None:
    makers: list[Any] = [
        lambda session: session.add(Deal(id=20, firm_id=2)),
        lambda session: session.add_all(
            [Deal(id=n, firm_id=2 if n == 25 else 1) for n in range(20, 30)]
        ),
        lambda session: setattr(session.get_one(Deal, 11), "firm_id", 2),
        lambda session: session.add(Step(id=120, deal_id=12)),
        lambda session: session.add(Step(id=120)),
        lambda session: session.add(
            Deal(id=20, steps=[Step(id=120), Step(id=121, deal_id=12)], firm_id=2)
        ),
        lambda session: session.merge(Deal(id=11, firm_id=2)),
    ]
    for make in makers:
        with tenant_scope("acme"), Session(engine) as session:
            make(session)
            with pytest.raises(CrossTenantAccessError, match="refs_"):
                session.flush()
            session.rollback()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_bulk_methods_are_checked(engine: Engine) -> None:
    bad = [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": 2}]
    acts: list[Any] = [
        lambda session: session.bulk_insert_mappings(Deal, bad),
        lambda session: session.bulk_save_objects([Deal(**each) for each in bad]),
        lambda session: session.execute(insert(Deal), bad),
        lambda session: session.bulk_update_mappings(Deal, [{"id": 11, "firm_id": 2}]),
        lambda session: session.execute(update(Deal), [{"id": 11, "firm_id": 2}]),
    ]
    for act in acts:
        with tenant_scope("acme"), Session(engine) as session:
            with pytest.raises(CrossTenantAccessError):
                act(session)
            session.rollback()
    assert rows(engine, "SELECT firm_id FROM refs_deal ORDER BY id") == [(1,), (2,)]


def test_a_detached_parent_made_by_hand_proves_nothing(engine: Engine) -> None:
    for spoofed in ({}, {"tenant_id": "acme"}, {"tenant_id": "acme", "name": "x"}):
        made = Firm(id=2, **spoofed)
        make_transient_to_detached(made)
        with tenant_scope("acme"), Session(engine) as session:
            # Without its tenant it is read again, and not found.
            with pytest.raises((TenantShieldError, ObjectDeletedError)):  # noqa: PT012
                session.add(made)
                session.add(Deal(id=20, firm_id=2))
                session.flush()
            session.rollback()
    for spoofed in ({}, {"tenant_id": "acme"}):
        made = Firm(id=2, **spoofed)
        make_transient_to_detached(made)
        with tenant_scope("acme"), Session(engine) as session:
            with pytest.raises((TenantShieldError, ObjectDeletedError)):  # noqa: PT012
                session.add(Deal(id=20, firm=made))
                session.flush()
            session.rollback()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_a_detached_parent_made_by_hand_proves_nothing_beside_one_that_was_loaded(
    engine: Engine,
) -> None:
    made = Firm(id=2, tenant_id="acme")
    make_transient_to_detached(made)
    with tenant_scope("acme"), Session(engine) as session:
        loaded = session.scalars(select(Firm)).all()
        assert 2 not in {each.id for each in loaded}
        session.add(made)
        session.add(Deal(id=20, firm_id=2))
        with pytest.raises(TenantShieldError):
            session.flush()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_another_tenants_detached_parent_proves_nothing(engine: Engine) -> None:
    with tenant_scope("globex"), Session(engine) as other:
        theirs = other.get_one(Firm, 2)
    with tenant_scope("acme"), Session(engine) as session:
        with pytest.raises(TenantShieldError):  # noqa: PT012
            session.add(Deal(id=20, firm=theirs))
            session.flush()
        session.rollback()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_a_parent_with_a_spoofed_primary_key_proves_nothing(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        firm = session.get_one(Firm, 1)
        firm.id = 2
        session.add(Deal(id=20, firm_id=2))
        with pytest.raises(Exception):  # noqa: B017, PT011
            session.flush()
        session.rollback()
    assert rows(engine, "SELECT id FROM refs_deal WHERE id = 20") == []


def a_transient_one_made_detached(session: Session) -> None:
    firm = session.get_one(Firm, 1)
    session.expunge(firm)
    make_transient(firm)
    firm.id = 2
    make_transient_to_detached(firm)
    session.add(firm)


def computed() -> Any:
    return select((FIRM.c.id + 1).label("id"), FIRM.c.tenant_id, FIRM.c.name).where(FIRM.c.id == 1)


def a_computed_one_of_a_statement(session: Session) -> Firm:
    found: Firm = session.scalars(select(Firm).from_statement(computed())).one()
    return found


def a_computed_one_of_an_alias(session: Session) -> Firm:
    return session.scalars(select(aliased(Firm, computed().subquery(), adapt_on_names=True))).one()


@pytest.mark.parametrize(
    "make",
    [
        a_transient_one_made_detached,
        a_computed_one_of_a_statement,
        a_computed_one_of_an_alias,
    ],
)
def test_an_object_that_is_no_row_of_its_table_proves_nothing(
    engine: Engine, make: Callable[[Session], Any]
) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        made = make(session)
        session.add(Deal(id=20, firm_id=2))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
        session.rollback()
    del made
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


@pytest.mark.parametrize("end", ["commit", "rollback of a savepoint"])
def test_an_object_of_an_earlier_transaction_proves_nothing(engine: Engine, end: str) -> None:
    with tenant_scope("acme"), Session(engine, expire_on_commit=False) as session:
        nested = session.begin_nested() if end != "commit" else None
        session.execute(insert(FIRM).values(id=9))
        kept = session.get_one(Firm, 9)
        if nested is None:
            session.commit()
            fill(engine, "DELETE FROM refs_firm WHERE id = 9")
        else:
            nested.rollback()
        with engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.execute("INSERT INTO refs_firm VALUES (9, 'globex', 'new')")
        session.add(Deal(id=20, firm_id=kept.id))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
        session.rollback()
    assert rows(engine, "SELECT id FROM refs_deal WHERE id = 20") == []


def by_text(session: Session) -> Callable[[], object]:
    session.execute(text("SAVEPOINT here"))
    return lambda: session.execute(text("ROLLBACK TO SAVEPOINT here"))


def by_driver_sql(session: Session) -> Callable[[], object]:
    session.connection().exec_driver_sql("savepoint here")
    return lambda: session.connection().exec_driver_sql("/* back */ rollback to here")


def on_the_connection(session: Session) -> Callable[[], object]:
    return session.connection().begin_nested().rollback


def by_an_error(session: Session) -> Callable[[], object]:
    """A statement that fails, and undoes the transaction, as a deadlock does on MariaDB."""
    again = insert(FIRM).prefix_with("OR ROLLBACK").values(id=1)

    def fail() -> None:
        with pytest.raises(IntegrityError):
            session.execute(again)

    return fail


def in_the_middle(session: Session) -> Callable[[], object]:
    outer = session.connection().begin_nested()
    inner = session.connection().begin_nested()

    def undo() -> None:
        inner.commit()
        outer.rollback()

    return undo


@pytest.mark.parametrize(
    "begin", [by_text, by_driver_sql, by_an_error, on_the_connection, in_the_middle]
)
@pytest.mark.parametrize("kept", ["inserted", "loaded"])
def test_an_object_that_was_undone_outside_of_the_session_proves_nothing(
    engine: Engine, begin: Callable[[Session], Callable[[], object]], kept: str
) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        session = Session(connection)
        undo = begin(session)
        if kept == "inserted":
            firm = Firm(id=9)
            session.add(firm)
            session.flush()
        else:
            session.execute(insert(FIRM).values(id=9))
            firm = session.get_one(Firm, 9)
        undo()
        driver: Any = connection.connection.dbapi_connection
        driver.execute("INSERT INTO refs_firm VALUES (9, 'globex', 'new')")
        session.add(Deal(id=20, firm_id=firm.id))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
        session.close()


def test_an_object_of_a_savepoint_on_the_connection_proves_its_row_within(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        with session.connection().begin_nested(), sent(engine) as told:
            firm = Firm(id=9)
            session.add(firm)
            session.flush()
            session.add(Deal(id=20, firm_id=firm.id))
            session.flush()
        assert [each.split()[0] for each in told if "refs_" in each] == ["INSERT", "INSERT"]


# -- one flush within another ----------------------------------------------------


@contextmanager
def whenever(name: str, act: Callable[[Any], None]) -> Generator[None, None, None]:
    """Call ``act`` with each deal that a session writes."""

    def listener(mapper: Any, connection: Any, deal: Deal) -> None:
        act(deal)

    event.listen(Deal, name, listener)
    try:
        yield
    finally:
        event.remove(Deal, name, listener)


def test_what_a_flush_has_looked_up_proves_nothing_to_another_tenant(engine: Engine) -> None:
    def write(deal: Deal) -> None:
        with tenant_scope("globex"):
            connection.execute(insert(DEAL).values(id=51, firm_id=3))

    with tenant_scope("acme"), engine.connect() as connection:
        session = Session(connection)
        session.add(Deal(id=50, firm_id=3))
        with whenever("after_insert", write), pytest.raises(CrossTenantAccessError):
            session.flush()
        session.close()


def test_what_another_session_inserts_meanwhile_proves_nothing_to_a_flush(engine: Engine) -> None:
    theirs = Firm(id=60)

    def write(deal: Deal) -> None:
        if deal.id == 51:
            with tenant_scope("globex"), Session(connection) as other:
                other.add(theirs)
                other.flush()

    with tenant_scope("acme"), engine.connect() as connection:
        session = Session(connection)
        session.add_all([Deal(id=50, firm_id=1), Deal(id=51, firm_id=60)])
        with whenever("before_insert", write), pytest.raises(CrossTenantAccessError):
            session.flush()
        session.close()
