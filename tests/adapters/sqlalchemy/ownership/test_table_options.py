"""Options of a table that decide how the database compares and replaces its rows."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import memory_engine

from ..schemas import child_table, seen, tenant_table
from ..watching import fill, rows
from .declaring import new_name, refuse

# -- ON CONFLICT -----------------------------------------------------------------


@pytest.mark.parametrize("clause", ["REPLACE", "replace", "IGNORE"])
@pytest.mark.parametrize("kind", ["unique", "primary key", "column's unique", "column's key"])
def test_a_constraint_that_resolves_conflicts_with_other_tenants_is_refused(
    kind: str, clause: str
) -> None:
    of_column: dict[str, dict[str, Any]] = {
        "column's unique": {"unique": True, "sqlite_on_conflict_unique": clause},
        "column's key": {"primary_key": True, "sqlite_on_conflict_primary_key": clause},
    }
    constraints: dict[str, list[Any]] = {
        "unique": [UniqueConstraint("code", sqlite_on_conflict=clause)],
        "primary key": [PrimaryKeyConstraint("code", sqlite_on_conflict=clause)],
    }
    given = tenant_aware(
        Table(
            new_name(),
            MetaData(),
            Column("tenant_id", String(50)),
            Column("code", Integer, **of_column.get(kind, {})),
            *constraints.get(kind, []),
        )
    )
    refuse(insert(given).values(code=1), f"ON CONFLICT {clause.upper()} on code")
    refuse(update(given).values(code=1), f"ON CONFLICT {clause.upper()} on code")


@pytest.mark.parametrize("clause", ["FAIL", "ROLLBACK", "ABORT"])
def test_a_constraint_that_raises_on_conflict_is_not(clause: str) -> None:
    given = tenant_aware(
        tenant_table(
            new_name(),
            MetaData(),
            Column("code", Integer),
            UniqueConstraint("code", sqlite_on_conflict=clause),
        )
    )
    engine = memory_engine()
    given.metadata.create_all(engine)
    fill(engine, f"INSERT INTO {given.name} VALUES (1, 'globex', 5)")
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(given).values(code=6))
    assert len(rows(engine, f"SELECT id FROM {given.name}")) == 2


# -- collations ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (String(20, collation="NOCASE"), String(20)),
        (String(20), String(20, collation="nocase")),
        (String(20).with_variant(String(20, collation="RTRIM"), "sqlite"), String(20)),
    ],
)
def test_a_tie_that_compares_in_another_way_than_its_parent_is_refused(
    ours: Any, theirs: Any
) -> None:
    metadata, name = MetaData(), new_name()
    tenant_aware(
        Table(
            name,
            metadata,
            Column("code", theirs, primary_key=True),
            Column("tenant_id", String(50)),
        )
    )
    child = child_table(
        f"{name}_child", metadata, Column("code", ours, ForeignKey(f"{name}.code"), nullable=False)
    )
    refuse(select(child), "different collations")
    refuse(insert(child).values(code="a"), "different collations")


def test_a_tie_that_compares_as_its_parent_is_confined() -> None:
    metadata, name = MetaData(), new_name()
    tenant_aware(
        Table(
            name,
            metadata,
            Column("code", String(20, collation="NOCASE"), primary_key=True),
            Column("tenant_id", String(50)),
        )
    )
    child = child_table(
        f"{name}_child",
        metadata,
        Column("code", String(20, collation="NOCASE"), ForeignKey(f"{name}.code"), nullable=False),
    )
    engine = memory_engine()
    metadata.create_all(engine)
    fill(
        engine,
        f"INSERT INTO {name} VALUES ('A', 'acme'), ('B', 'globex')",
        f"INSERT INTO {name}_child VALUES (1, 'a'), (2, 'b')",
    )
    assert seen(engine, select(child.c.id)) == [1]
