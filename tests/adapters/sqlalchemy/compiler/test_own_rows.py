"""Rows of one INSERT that refer to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, insert, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, Database, database, require

metadata = MetaData()
node = Table(
    "own_node",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", String(20), nullable=False),
    Column("parent_id", ForeignKey("own_node.id")),
)
tenant_aware(node)

Rows = list[dict[str, Any]]


@pytest.fixture(params=NAMES)
def here(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Engine]]:
    require(request.param)
    with database(request.param) as made:
        engine = made.engine()
        with system_scope("make the table"):
            metadata.create_all(engine)
        made.run("INSERT INTO own_node VALUES (401, 'globex', NULL)")
        yield made, engine
        engine.dispose()


def row(number: int, parent: int | None) -> dict[str, Any]:
    return {"id": number, "parent_id": parent}


TREES: list[Rows] = [
    [row(1, None), row(2, 1)],
    [row(1, None), row(2, 1), row(3, 2), row(4, 3)],
    [row(1, 1)],
    [row(1, None), row(2, 2), row(3, 1)],
]


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("together", [True, False], ids=["values", "executemany"])
def test_a_tree_is_inserted_at_once(
    here: tuple[Database, Engine], tree: Rows, together: bool
) -> None:
    db, engine = here
    with tenant_scope("acme"), engine.begin() as connection:
        if together:
            connection.execute(insert(node).values(tree))
        else:
            connection.execute(insert(node), tree)
    found = db.read("SELECT id, parent_id FROM own_node WHERE tenant_id = 'acme' ORDER BY id")
    assert found == [(each["id"], each["parent_id"]) for each in tree]


@pytest.mark.parametrize(
    "rows",
    [
        [row(1, 401)],
        [row(1, None), row(2, 401)],
        [row(1, 2), row(2, 401)],
    ],
)
def test_another_tenants_parent_is_refused(here: tuple[Database, Engine], rows: Rows) -> None:
    db, engine = here
    calls: list[tuple[Any, ...]] = [(insert(node).values(rows),), (insert(node), rows)]
    for sent in calls:
        with (
            tenant_scope("acme"),
            engine.begin() as connection,
            pytest.raises(CrossTenantAccessError),
        ):
            connection.execute(*sent)
    assert db.read("SELECT id FROM own_node") == [(401,)]


def test_a_row_that_fails_leaves_no_reference_to_the_existing_row(
    here: tuple[Database, Engine],
) -> None:
    db, engine = here
    # The parent comes last: the database might have accepted the first row by then.
    with tenant_scope("acme"), engine.connect() as connection:
        with pytest.raises((CrossTenantAccessError, IntegrityError)):
            connection.execute(insert(node), [row(1, 401), row(401, None)])
        connection.commit()
    assert db.read("SELECT id FROM own_node") == [(401,)]


def test_a_row_that_may_be_left_out_proves_nothing(here: tuple[Database, Engine]) -> None:
    db, engine = here
    rows = [row(401, None), row(1, 401)]
    statements: dict[str, Any] = {
        "sqlite": sqlite.insert(node).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(node).on_conflict_do_nothing(),
        "mariadb": mysql.insert(node).prefix_with("IGNORE"),
    }
    statement = statements[db.name]
    calls: list[tuple[Any, ...]] = [(statement, rows), (statement.values(rows),)]
    for sent in calls:
        with (
            tenant_scope("acme"),
            engine.begin() as connection,
            pytest.raises(CrossTenantAccessError),
        ):
            connection.execute(*sent)
    assert db.read("SELECT id FROM own_node") == [(401,)]


def test_another_tenants_row_is_never_read(here: tuple[Database, Engine]) -> None:
    _, engine = here
    with tenant_scope("acme"), engine.connect() as connection:
        assert connection.execute(select(node.c.id)).all() == []
