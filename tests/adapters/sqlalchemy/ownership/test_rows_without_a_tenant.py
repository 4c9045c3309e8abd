"""The actions of foreign keys by which the database would take a row from its tenant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
)
from sqlalchemy.exc import DBAPIError

from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.cascades import refuse_cascade
from tests.databases import Database, database

from ..watching import database_on_each

METADATA = MetaData()
NUMBERS = count()


def owned(name: str, *columns: Any, nullable: bool = True) -> Table:
    return tenant_aware(
        Table(
            name,
            METADATA,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(20), nullable=nullable),
            *columns,
            UniqueConstraint("tenant_id", "id"),
        )
    )


def tied(name: str, parent: str, *, nullable: bool = True, **actions: Any) -> Table:
    key = ForeignKey(f"{parent}.id", **actions)
    table = Table(
        name,
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("up", key, nullable=nullable),
    )
    return tenant_aware(table, through=parent)


def referring(name: str, parent: str, *, nullable: bool = True, **actions: Any) -> Table:
    key = ForeignKeyConstraint(
        ["tenant_id", "up"], [f"{parent}.tenant_id", f"{parent}.id"], **actions
    )
    return owned(name, Column("up", Integer), key, nullable=nullable)


BILL = owned("null_bill")
LINE = tied("null_line", "null_bill", ondelete="SET NULL")
CLIENT = owned("null_client")
NOTE = referring("null_note", "null_client", ondelete="SET NULL")


here = database_on_each()


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    METADATA.create_all(engine, [BILL, LINE, CLIENT, NOTE])
    for parent, child in ((BILL, LINE), (CLIENT, NOTE)):
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(insert(parent).values(id=1))
            connection.execute(insert(child).values(id=1, up=1))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("parent", [BILL, CLIENT], ids=str)
def test_a_row_is_not_deleted_with_which_others_would_lose_their_tenant(
    here: Database, engine: Engine, parent: Table
) -> None:
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match=r"belong to no tenant.*nullable=False"),
    ):
        connection.execute(delete(parent))
    assert here.read("SELECT up FROM null_line") == [(1,)]
    assert here.read("SELECT tenant_id FROM null_note") == [("acme",)]


def test_code_that_sees_all_tenants_may_do_it(here: Database, engine: Engine) -> None:
    with system_scope("it is cleared up later"), engine.begin() as connection:
        connection.execute(delete(CLIENT))
    assert here.read("SELECT id FROM null_client") == []


@pytest.mark.parametrize(
    ("action", "columns"),
    [
        ({"ondelete": "SET NULL"}, None),
        ({"ondelete": "set  null"}, None),
        ({"ondelete": "SET DEFAULT"}, None),
        ({"ondelete": 'SET NULL ("up", tenant_id)'}, None),
        ({"onupdate": "SET NULL"}, ["id"]),
        ({"onupdate": "SET DEFAULT"}, ["ID"]),
    ],
    ids=str,
)
def test_every_action_that_writes_null_counts(
    action: dict[str, Any], columns: list[str] | None
) -> None:
    name = f"null_{next(NUMBERS)}"
    parent = owned(name)
    referring(f"{name}_refers", name, **action)
    with pytest.raises(UnguardedStatementError, match=f"NULL.*{name}_refers"):
        refuse_cascade(parent, columns)


@pytest.mark.parametrize(
    "action",
    [
        {"ondelete": "SET NULL (up)"},
        {"ondelete": 'set null ( "up" )'},
        {"ondelete": "CASCADE"},
        {"ondelete": "SET NULL", "nullable": False},
    ],
    ids=str,
)
def test_an_action_that_leaves_the_tenant_does_not(action: Any) -> None:
    name = f"null_{next(NUMBERS)}"
    parent = owned(name)
    referring(f"{name}_refers", name, **action)
    refuse_cascade(parent)


def test_the_database_refuses_it_where_the_column_cannot_be_null() -> None:
    parent = owned("null_kept")
    child = tied("null_keeping", "null_kept", nullable=False, ondelete="SET NULL")
    with database("postgresql") as here:
        engine = here.engine()
        METADATA.create_all(engine, [parent, child])
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(insert(parent).values(id=1))
            connection.execute(insert(child).values(id=1, up=1))
        with tenant_scope("acme"), engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(delete(parent))
        engine.dispose()


def test_what_follows_a_row_counts_as_well() -> None:
    first = owned("null_first")
    tied("null_second", "null_first", ondelete="CASCADE")
    third = tied("null_third", "null_second", ondelete="SET NULL")
    with pytest.raises(UnguardedStatementError, match=third.name):
        refuse_cascade(first)


def test_a_foreign_key_by_which_nothing_belongs_to_a_tenant_may_become_null() -> None:
    owner, friend = owned("null_owner"), owned("null_friend")
    owned("null_pet", Column("friend", ForeignKey("null_friend.id", ondelete="SET NULL")))
    for each in (owner, friend):
        refuse_cascade(each)
