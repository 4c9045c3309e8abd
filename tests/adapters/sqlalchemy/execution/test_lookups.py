"""How a foreign key is looked up, and the number of lookups."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    Uuid,
    insert,
    select,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..firms import DEAL, FIRM, Deal, Firm, Step, looked_up, refused, run, seed
from ..watching import fill, rows, sent


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())


# -- values that are converted ---------------------------------------------------


class Shifted(TypeDecorator[int]):
    """Writes a number plus one, and reads it unchanged."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value + 1


class Converted(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Folder(Converted):
    __tablename__ = "refs_folder"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))


class Sheet(Converted):
    __tablename__ = "refs_sheet"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folder_id: Mapped[int] = mapped_column(Shifted, ForeignKey("refs_folder.id"))


@tenant_aware
class Token(Converted):
    __tablename__ = "refs_token"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))


class Use(Converted):
    __tablename__ = "refs_use"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("refs_token.id"))


@contextmanager
def folders(where: DatabaseName) -> Generator[Engine, None, None]:
    """Give acme the folders 1 and 3, and globex 2."""
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        Converted.metadata.create_all(engine)
        fill(engine, "INSERT INTO refs_folder VALUES (1, 'acme'), (2, 'globex'), (3, 'acme')")
        yield engine
        engine.dispose()


@pytest.mark.parametrize("where", NAMES)
def test_a_key_is_looked_up_as_it_will_be_written(where: DatabaseName) -> None:
    with folders(where) as engine:
        sheet: Any = Sheet.__table__
        refused(engine, insert(sheet).values(id=1, folder_id=1))
        refused(engine, insert(sheet), [{"id": 1, "folder_id": 2}, {"id": 2, "folder_id": 1}])
        run(engine, insert(sheet).values(id=1, folder_id=2))
        assert rows(engine, "SELECT folder_id FROM refs_sheet") == [(3,)]


def test_a_converted_key_is_not_proven_by_a_parent_in_memory() -> None:
    ways: list[Callable[[Session], Any]] = [
        lambda session: session.get_one(Folder, 1),
        lambda session: session.add(Folder(id=5)),
    ]
    for make in ways:
        with folders("sqlite") as engine:
            fill(engine, "INSERT INTO refs_folder VALUES (6, 'globex')")
            with tenant_scope("acme"), Session(engine) as session:
                make(session)
                session.add_all([Sheet(id=1, folder_id=1), Sheet(id=2, folder_id=5)])
                with pytest.raises(CrossTenantAccessError):
                    session.flush()
                session.rollback()
            assert rows(engine, "SELECT id FROM refs_sheet") == []


@pytest.mark.parametrize("where", NAMES)
def test_a_key_of_another_python_type_than_the_parents_is_found(where: DatabaseName) -> None:
    mine, theirs = UUID(int=1), UUID(int=2)
    with folders(where) as engine:
        run(engine, insert(Token).values(id=mine))
        with tenant_scope("globex"), engine.begin() as connection:
            connection.execute(insert(Token).values(id=theirs))
        run(engine, insert(Use).values(id=1, token_id=str(mine)))
        refused(engine, insert(Use).values(id=2, token_id=str(theirs)))
        with tenant_scope("acme"), Session(engine) as session:
            session.add(Use(id=3, token_id=str(mine)))
            session.commit()
        assert len(rows(engine, "SELECT id FROM refs_use")) == 2


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_a_key_may_be_spelled_in_two_ways_in_one_statement(where: DatabaseName) -> None:
    with folders(where) as engine:
        given: list[Any] = [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": "1"}]
        run(engine, insert(DEAL), given)
        refused(engine, insert(DEAL), [{"id": 22, "firm_id": 1}, {"id": 23, "firm_id": "2"}])
        with tenant_scope("acme"), Session(engine) as session:
            session.add_all([Deal(id=24, firm_id=1), Deal(id=25, firm_id="1")])
            session.commit()
        assert len(rows(engine, "SELECT id FROM refs_deal WHERE firm_id = 1")) == 5


# -- what it costs ---------------------------------------------------------------


def test_a_flush_queries_a_table_at_most_once(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session, sent(engine) as statements:
        session.add_all([Deal(id=n, firm_id=1 + 2 * (n % 2), place_id=1) for n in range(20, 60)])
        # An optional column makes SQLAlchemy send more than one INSERT.
        session.add_all([Deal(id=n, firm_id=1, note="noted") for n in range(60, 80)])
        session.flush()
        session.commit()
    assert looked_up(statements) == 2
    assert len(rows(engine, "SELECT id FROM refs_deal WHERE id >= 20")) == 60


def test_a_flush_looks_nothing_up_if_the_parents_were_loaded(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        firms = session.scalars(select(Firm)).all()
        deal = session.get_one(Deal, 11)
        with sent(engine) as statements:
            session.add_all([Deal(id=n, firm=firms[0]) for n in range(20, 30)])
            session.add_all([Deal(id=n, firm_id=firms[1].id) for n in range(30, 40)])
            session.add(Step(id=120, deal=deal))
            session.flush()
        assert looked_up(statements) == 0
        session.commit()


def test_a_query_for_a_parents_column_alone_works_as_ever(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        assert session.scalars(select(Firm.id).order_by(Firm.id)).all() == [1, 3]


def test_a_flush_looks_nothing_up_if_the_parents_are_new(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session, sent(engine) as statements:
        firm = Firm(id=5)
        session.add(firm)
        for n in range(20, 30):
            firm.deals.append(Deal(id=n, steps=[Step(id=n * 10), Step(id=n * 10 + 1)]))
        session.flush()
        assert looked_up(statements) == 0
        session.commit()
    assert len(rows(engine, "SELECT id FROM refs_step WHERE id > 112")) == 20


def test_an_update_without_foreign_keys_looks_nothing_up(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.get_one(Deal, 11).note = "changed"
        with sent(engine) as statements:
            session.flush()
        session.execute(update(DEAL).values(note="again"))
    assert looked_up(statements) == 0


def test_a_core_statement_looks_all_its_rows_up_at_once(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        many = [{"id": n, "firm_id": 1 + 2 * (n % 2)} for n in range(20, 220)]
        connection.execute(insert(DEAL), many)
    assert looked_up(statements) == 1


def test_a_core_statement_in_batches_looks_up_once(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        many = [{"id": n, "firm_id": 1} for n in range(1000, 3500)]
        connection.execute(insert(DEAL).returning(DEAL.c.id), many)
    assert looked_up(statements) == 1
    assert len(rows(engine, "SELECT id FROM refs_deal WHERE id >= 1000")) == 2500


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_keys_given_as_strings_are_asked_for_once(where: DatabaseName) -> None:
    numbers = range(10_000, 13_000)
    with folders(where) as engine:
        run(engine, insert(FIRM), [{"id": n} for n in numbers])
        with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
            many: list[Any] = [{"id": n, "firm_id": str(n)} for n in numbers]
            connection.execute(insert(DEAL), many)
        assert looked_up(statements) == 1
        assert len(rows(engine, "SELECT id FROM refs_deal WHERE id >= 10000")) == 3000
        refused(engine, insert(DEAL), [*many[:5], {"id": 99, "firm_id": "2"}])
        refused(engine, insert(DEAL), [*many[:5], {"id": 99, "firm_id": "02"}])


def test_very_many_different_references_are_checked_to_the_last(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(FIRM), [{"id": n} for n in range(10_000, 22_000)])
        many = [{"id": n, "firm_id": n} for n in range(10_000, 22_000)]
        connection.execute(insert(DEAL), many)
    many = [{"id": n + 50_000, "firm_id": n} for n in range(10_000, 21_999)]
    refused(engine, insert(DEAL), [*many, {"id": 99_999, "firm_id": 2}])
