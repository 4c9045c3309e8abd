"""The tenant column is compared exactly, and by its index."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..watching import fill, rows, sent
from .bound import NOTE, marked


@pytest.mark.parametrize("where", NAMES)
def test_identifiers_that_differ_in_case_or_trailing_accents_are_two_tenants(
    where: DatabaseName,
) -> None:
    require(where)
    names = ["acme", "Acme", "ACME", "àcme", "acme.", "straße", "strasse"]
    with database(where) as here:
        engine = here.engine()
        NOTE.metadata.create_all(engine)
        for number, name in enumerate(names, start=1):
            with tenant_scope(name), engine.begin() as connection:
                connection.execute(insert(NOTE).values(id=number, name=name))
        for name in names:
            with tenant_scope(name), engine.begin() as connection:
                assert list(connection.execute(select(NOTE.c.name)).scalars()) == [name]
                assert connection.execute(update(NOTE).values(name=name)).rowcount == 1
        engine.dispose()


def test_a_collation_that_folds_case_does_not_fold_tenants() -> None:
    table = marked("bind_nocase", String(50, collation="NOCASE"))
    engine = memory_engine()
    table.metadata.create_all(engine)
    fill(engine, "INSERT INTO bind_nocase VALUES (1, 'acme', ''), (2, 'ACME', '')")
    with tenant_scope("acme"), engine.connect() as connection:
        assert list(connection.execute(select(table.c.id)).scalars()) == [1]


class Folding(TypeDecorator[str]):
    """A string whose comparison ignores case."""

    impl = String(50)
    cache_ok = True

    class comparator_factory(TypeDecorator.Comparator[str]):  # noqa: N801 # pyright: ignore[reportIncompatibleVariableOverride]
        """Compares in lower case."""

        def __eq__(self, other: object) -> Any:
            return func.lower(self.expr) == func.lower(other)


@pytest.mark.parametrize("where", NAMES)
def test_a_type_that_folds_case_when_it_compares_does_not_fold_tenants(where: DatabaseName) -> None:
    require(where)
    table = marked("bind_folding", Folding())
    with database(where) as here:
        engine = here.engine()
        table.metadata.create_all(engine)
        with tenant_scope("Acme"), engine.begin() as connection:
            connection.execute(insert(table).values(id=1, name="theirs"))
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(insert(table).values(id=2, name="ours"))
            assert connection.execute(select(table.c.id)).scalars().all() == [2]
            upsert = upserting(where, table).values(id=1, name="taken")
            connection.execute(over(where, upsert, name="taken"))
            assert connection.execute(update(table).values(name="changed")).rowcount == 1
            assert connection.execute(delete(table)).rowcount == 1
        assert rows(engine, "SELECT id, name FROM bind_folding") == [(1, "theirs")]
        engine.dispose()


def upserting(where: DatabaseName, table: Any) -> Any:
    return {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}[where].insert(table)


def over(where: DatabaseName, statement: Any, **values: Any) -> Any:
    if where == "mariadb":
        return statement.on_duplicate_key_update(**values)
    return statement.on_conflict_do_update(index_elements=["id"], set_=values)


def test_a_collation_that_only_the_database_knows_does_not_fold_tenants() -> None:
    table = marked("bind_unknown", String(50))
    engine = memory_engine()
    fill(
        engine,
        "CREATE TABLE bind_unknown (id INTEGER, tenant_id VARCHAR COLLATE NOCASE, name VARCHAR)",
        "INSERT INTO bind_unknown VALUES (1, 'acme', ''), (2, 'ACME', '')",
    )
    with tenant_scope("acme"), engine.begin() as connection:
        assert list(connection.execute(select(table.c.id)).scalars()) == [1]
        assert connection.execute(delete(table)).rowcount == 1
    assert rows(engine, "SELECT id FROM bind_unknown") == [(2,)]


def test_an_index_on_the_tenant_column_is_used() -> None:
    table = marked("bind_indexed", String(50))
    engine = memory_engine()
    table.metadata.create_all(engine)
    fill(engine, "CREATE INDEX bind_by_tenant ON bind_indexed (tenant_id, name)")
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        connection.execute(select(table).where(table.c.name > "a"))
    (statement,) = statements
    plan = rows(engine, "EXPLAIN QUERY PLAN " + statement.replace("?", "'a'"))
    assert "bind_by_tenant (tenant_id=? AND name>?)" in plan[0][-1]


class FoldingWithOperator(TypeDecorator[str]):
    """A string of which every comparison ignores case."""

    impl = String(50)
    cache_ok = True

    class comparator_factory(TypeDecorator.Comparator[str]):  # noqa: N801 # pyright: ignore[reportIncompatibleVariableOverride]
        """Compares in lower case."""

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            return op(type_coerce(self.expr, String()).collate("NOCASE"), *other, **kwargs)


class FoldingWithIn(TypeDecorator[str]):
    """A string of which ``IN`` ignores case."""

    impl = String(50)
    cache_ok = True

    class comparator_factory(TypeDecorator.Comparator[str]):  # noqa: N801 # pyright: ignore[reportIncompatibleVariableOverride]
        """Compares in lower case."""

        def in_(self, other: Any) -> Any:
            return func.lower(type_coerce(self.expr, String())).in_(other)


@pytest.mark.parametrize("type_", [FoldingWithOperator, FoldingWithIn])
@pytest.mark.parametrize("is_pair", [False, True])
def test_a_type_that_folds_case_when_it_compares_does_not_fold_keys(
    type_: type[TypeDecorator[str]], *, is_pair: bool
) -> None:
    name = f"bind_key_{type_.__name__}_{is_pair}".lower()
    parent = Table(
        name,
        MetaData(),
        Column("code", type_(), primary_key=True),
        Column("part", Integer, primary_key=is_pair, server_default="1"),
        Column("tenant_id", String(50)),
    )
    names = ["code", "part"][: 1 + is_pair]
    child = Table(
        f"{name}_use",
        parent.metadata,
        Column("code", type_()),
        Column("part", Integer),
        ForeignKeyConstraint(names, [parent.c[each] for each in names]),
    )
    tenant_aware(parent)
    engine = memory_engine()
    parent.metadata.create_all(engine)
    fill(engine, f"INSERT INTO {name} VALUES ('K', 1, 'acme'), ('k', 1, 'globex')")
    with tenant_scope("acme"), engine.connect() as connection:
        for key in ("k", "K"):
            with nullcontext() if key == "K" else pytest.raises(CrossTenantAccessError):
                connection.execute(insert(child).values(code=key, part=1))
        connection.commit()
    assert rows(engine, f"SELECT code FROM {name}_use") == [("K",)]
