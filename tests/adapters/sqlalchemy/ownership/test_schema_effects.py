"""Definitions that make the database itself reach other tenants' rows are refused."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    delete,
    insert,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError

from tenantshield_mw import ConfigurationError, UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import database, memory_engine

from ..schemas import child_table, seen, tenant_table
from ..watching import fill, rows
from .declaring import new_name, refuse

# -- INHERITS --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["shared", "undeclared", "unknown", "tied to no tenant"])
def test_the_parent_of_a_tenant_aware_table_is_refused(kind: str) -> None:
    metadata, name = MetaData(), new_name()
    parent = child_table(name, MetaData() if kind == "unknown" else metadata)
    if kind == "shared":
        shared_across_tenants(parent)
    tenant_aware(tenant_table(f"{name}_child", metadata, postgresql_inherits=name))
    for statement in (
        select(parent),
        update(parent).values(id=1),
        delete(parent),
        select(parent.alias()),
        select(table(name.upper(), Column("id"))),
    ):
        refuse(statement, "@tenant_aware and the same tenant column")


def test_raw_sql_must_not_name_the_parent_either() -> None:
    metadata, name = MetaData(), new_name()
    shared_across_tenants(child_table(name, metadata))
    tenant_aware(tenant_table(f"{name}_child", metadata, postgresql_inherits=(name,)))
    with (
        tenant_scope("acme"),
        memory_engine().connect() as connection,
        pytest.raises(UnguardedStatementError),
    ):
        connection.execute(text(f"SELECT * FROM {name}"))


def test_an_undeclared_child_of_a_tenant_aware_table_is_refused() -> None:
    metadata, name = MetaData(), new_name()
    tenant_aware(tenant_table(name, metadata))
    child = child_table(f"{name}_child", metadata)
    child.dialect_options["postgresql"]["inherits"] = name
    refuse(select(child), "inherits from")


def test_tables_that_inherit_with_the_tenant_are_read_and_written() -> None:
    with database("postgresql") as here:
        engine, metadata, name = here.engine(), MetaData(), new_name()
        parent = tenant_aware(tenant_table(name, metadata))
        child = tenant_aware(tenant_table(f"{name}_child", metadata, postgresql_inherits=name))
        metadata.create_all(engine)
        fill(
            engine,
            f"INSERT INTO {name} VALUES (1, 'acme'), (2, 'globex')",
            f"INSERT INTO {name}_child VALUES (3, 'acme'), (4, 'globex')",
        )
        assert seen(engine, select(parent.c.id)) == [1, 3]
        assert seen(engine, select(child.c.id)) == [3]
        with tenant_scope("acme"), engine.begin() as connection:
            assert connection.execute(delete(parent)).rowcount == 2
        assert rows(engine, f"SELECT id FROM {name} ORDER BY id") == [(2,), (4,)]
        engine.dispose()


def test_a_constraint_that_includes_the_tenant_replaces_ones_own_row() -> None:
    given = tenant_aware(
        tenant_table(
            new_name(),
            MetaData(),
            Column("code", Integer),
            UniqueConstraint("tenant_id", "code", sqlite_on_conflict="REPLACE"),
        )
    )
    engine = memory_engine()
    given.metadata.create_all(engine)
    fill(engine, f"INSERT INTO {given.name} VALUES (1, 'globex', 5), (2, 'acme', 5)")
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(given).values(id=3, code=5))
    assert rows(engine, f"SELECT id FROM {given.name} ORDER BY id") == [(1,), (3,)]


def test_a_tenant_column_that_folds_case_does_not_keep_tenants_apart() -> None:
    given = tenant_aware(
        Table(
            new_name(),
            MetaData(),
            Column("tenant_id", String(50, collation="NOCASE")),
            Column("code", Integer),
            UniqueConstraint("tenant_id", "code", sqlite_on_conflict="REPLACE"),
        )
    )
    refuse(insert(given).values(code=1), "does not include the tenant")


@pytest.mark.parametrize("order", [1, -1])
def test_a_collation_that_only_one_definition_has_counts(order: int) -> None:
    name = new_name()
    both = [
        tenant_aware(
            Table(
                name,
                MetaData(),
                Column("tenant_id", String(50, collation=collation)),
                Column("code", Integer),
                UniqueConstraint("tenant_id", "code", sqlite_on_conflict="REPLACE"),
            )
        )
        for collation in ("NOCASE", None)[::order]
    ]
    for each in both:
        refuse(insert(each).values(code=1), "does not include the tenant")


def test_a_default_that_replaces_null_in_a_foreign_key_is_refused() -> None:
    metadata, name = MetaData(), new_name()
    tenant_aware(tenant_table(name, metadata))
    child = tenant_aware(
        tenant_table(
            f"{name}_child",
            metadata,
            Column(
                "parent_id",
                ForeignKey(f"{name}.id"),
                server_default="401",
                sqlite_on_conflict_not_null="REPLACE",
                nullable=False,
            ),
        )
    )
    refuse(insert(child).values(parent_id=1), "ON CONFLICT REPLACE for NULL")


def test_a_shared_table_whose_rows_take_tenants_rows_with_them_is_not_replaced() -> None:
    metadata, name = MetaData(), new_name()
    shared = shared_across_tenants(
        child_table(
            name,
            metadata,
            Column("code", Integer),
            UniqueConstraint("code", sqlite_on_conflict="REPLACE"),
        )
    )
    tenant_aware(
        tenant_table(
            f"{name}_child", metadata, Column("up", ForeignKey(f"{name}.id", ondelete="CASCADE"))
        )
    )
    refuse(insert(shared).values(code=1), "deleted or changed together")


# -- foreign keys to columns that are not unique -----------------------------------


def partly_referring(**actions: Any) -> tuple[Table, Table]:
    metadata, name = MetaData(), new_name()
    parent = tenant_aware(
        tenant_table(name, metadata, Column("code", Integer), UniqueConstraint("code", "tenant_id"))
    )
    child = tenant_aware(
        tenant_table(
            f"{name}_child", metadata, Column("code", ForeignKey(f"{name}.code", **actions))
        )
    )
    return parent, child


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
def test_a_delete_that_follows_a_key_that_two_tenants_may_have_is_refused(
    where: Any, action: str
) -> None:
    parent, child = partly_referring(ondelete=action, onupdate=action)
    with database(where) as here:
        engine = here.engine()
        parent.metadata.create_all(engine)
        if where == "mariadb":
            # SQLite itself refuses to write where a key refers to columns that are not unique.
            fill(
                engine,
                f"INSERT INTO {parent.name} VALUES (1, 'acme', 5), (2, 'globex', 5)",
                f"INSERT INTO {child.name} VALUES (1, 'globex', 5)",
            )
        with tenant_scope("acme"), engine.begin() as connection:
            for statement in (delete(parent), update(parent).values(code=6)):
                with pytest.raises(UnguardedStatementError, match="not declared unique"):
                    connection.execute(statement)
            if where == "mariadb":
                connection.execute(update(parent).values(id=3))
        if where == "mariadb":
            assert rows(engine, f"SELECT code FROM {child.name}") == [(5,)]
        engine.dispose()


def test_a_delete_of_a_parent_with_a_tenant_foreign_key_runs() -> None:
    metadata, name = MetaData(), new_name()
    parent = tenant_aware(tenant_table(name, metadata))
    child = tenant_aware(
        tenant_table(
            f"{name}_child",
            metadata,
            Column("up", Integer),
            tenant_foreign_key("up", f"{name}.id", ondelete="CASCADE"),
        )
    )
    engine = memory_engine()
    metadata.create_all(engine)
    fill(
        engine,
        f"INSERT INTO {name} VALUES (1, 'acme'), (2, 'globex')",
        f"INSERT INTO {child.name} VALUES (1, 'acme', 1), (2, 'globex', 2)",
    )
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(text("PRAGMA foreign_keys = ON"))
        connection.execute(delete(parent))
    assert rows(engine, f"SELECT id FROM {name}") == [(2,)]


# -- tables of two databases -------------------------------------------------------


def test_a_shared_table_of_another_database_may_have_the_name_of_a_tenant_aware_one() -> None:
    name = new_name()
    ours = tenant_aware(tenant_table(name, MetaData()))
    elsewhere = MetaData()
    theirs = shared_across_tenants(
        child_table(name, elsewhere, Column("label", String(9))), in_another_database=True
    )
    line = child_table(
        f"{name}_line", elsewhere, Column("up", ForeignKey(f"{name}.id"), nullable=False)
    )
    first, second = memory_engine(), memory_engine()
    ours.metadata.create_all(first)
    elsewhere.create_all(second)
    fill(first, f"INSERT INTO {name} VALUES (1, 'acme'), (2, 'globex')")
    fill(
        second,
        f"INSERT INTO {name} VALUES (1, 'x'), (2, 'y')",
        f"INSERT INTO {name}_line VALUES (1, 1), (2, 2)",
    )
    assert seen(first, select(ours.c.id)) == [1]
    assert seen(second, select(theirs.c.label)) == ["x", "y"]
    assert seen(second, select(theirs.alias().c.label)) == ["x", "y"]
    assert seen(second, select(line.c.id)) == [1, 2]
    assert registry.is_shared(theirs)
    assert not registry.is_shared(ours)
    # Any other Table object is the tenant-aware table.
    assert seen(first, select(table(name, Column("id")).c.id)) == [1]
    assert seen(first, select(child_table(name, MetaData()).c.id)) == [1]


def test_a_table_with_the_tenant_column_is_not_another_databases() -> None:
    name = new_name()
    tenant_aware(tenant_table(name, MetaData()))
    for other in (
        tenant_table(name, MetaData()),
        Table(name, MetaData(), Column("TENANT_ID", String(50))),
    ):
        with pytest.raises(ConfigurationError, match="declared twice"):
            shared_across_tenants(other)
        with pytest.raises(ConfigurationError, match="has no tenant column"):
            shared_across_tenants(other, in_another_database=True)


def test_a_table_of_the_same_metadata_is_not_another_databases() -> None:
    name, metadata = new_name(), MetaData()
    ours = tenant_aware(tenant_table(name, metadata))
    with pytest.raises(ConfigurationError, match="declared twice"):
        shared_across_tenants(ours)
    with pytest.raises(ConfigurationError, match="a MetaData of its own"):
        shared_across_tenants(ours, in_another_database=True)


def test_the_indexes_by_default_schema_do_not_grow_without_end() -> None:
    ours = tenant_aware(tenant_table(new_name(), MetaData()))
    for number in range(100):
        spelled = table(ours.name.upper(), schema=f"customer_{number}")
        found = registry.ownership_of(spelled, frozenset({f"customer_{number}"}))
        assert found is not None
    assert len(registry._state._by_folded) <= 16


# -- kinds of types --------------------------------------------------------------


def tied(theirs: Any, ours: Any) -> tuple[Table, Table]:
    metadata, name = MetaData(), new_name()
    parent = Table(
        name,
        metadata,
        Column("id", theirs, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
    )
    child = Table(
        f"{name}_child",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("parent_id", ours, ForeignKey(parent.c.id), nullable=False),
    )
    return tenant_aware(parent), child


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_a_row_that_two_parents_are_equal_to_belongs_to_none(where: Any) -> None:
    parent, child = tied(String(9), Integer())
    with database(where) as here:
        engine = here.engine()
        parent.create(engine)
        here.run(
            f"CREATE TABLE {child.name} (id int, parent_id int)",
            f"INSERT INTO {parent.name} VALUES ('042', 'acme'), ('42', 'globex')",
            f"INSERT INTO {child.name} VALUES (1, 42)",
        )
        for tenant in ("acme", "globex"):
            for statement in (select(child), delete(child)):
                refused = pytest.raises(ConfigurationError, match="is converted when")
                with tenant_scope(tenant), refused, engine.begin() as connection:
                    connection.execute(statement)
        assert here.read(f"SELECT * FROM {child.name}") == [(1, 42)]
        engine.dispose()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (BigInteger(), Float()),
        (String(9), Numeric(9)),
        (String(20), DateTime()),
        (Uuid(), Integer()),
        (Integer(), String(9)),
        (Integer(), Integer().with_variant(String(9), "sqlite")),
    ],
)
def test_a_tie_of_another_kind_than_the_key_is_refused(theirs: Any, ours: Any) -> None:
    refuse(select(tied(theirs, ours)[1]), "is converted when")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (BigInteger(), Integer()),
        (Integer(), Numeric(9)),
        (Uuid(), CHAR(32)),
        (String(9), Enum("a", "b")),
        (DateTime(), Date()),
        (postgresql.INET(), String(20)),
    ],
)
def test_a_tie_of_the_same_kind_is_not(theirs: Any, ours: Any) -> None:
    _, child = tied(theirs, ours)
    engine = memory_engine()
    refused = pytest.raises(OperationalError, match="no such table")
    with tenant_scope("acme"), refused, engine.connect() as connection:
        connection.execute(select(child))
