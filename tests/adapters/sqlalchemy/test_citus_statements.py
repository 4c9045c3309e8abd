"""The statements for Citus, as text and on a PostgreSQL with a stand-in for what they call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
)

from tenantshield_mw import ConfigurationError, system_scope
from tenantshield_mw.adapters.sqlalchemy import (
    alembic,
    rls,
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.adapters.sqlalchemy.citus import citus_policy_statements, citus_statements
from tests.databases import Database, database

from .citus_stand_in import CITUS, keyed

assert alembic.__name__  # imported for its operations

ODD = """'"O''Dd".cluster_c'"""


def tables() -> MetaData:
    metadata = MetaData()
    zone = Table("cluster_zone", metadata, Column("name", String(9), primary_key=True))
    shared_across_tenants(zone)
    keyed("cluster_m", metadata, Column("zone", ForeignKey("cluster_zone.name")))
    child = (Column("m_id", Integer), tenant_foreign_key("m_id", "cluster_m.id"))
    keyed("cluster_n", metadata, *child)
    key = Column("tenant_id", Integer, primary_key=True, autoincrement=False)
    tenant_aware(Table("cluster_c", metadata, key, schema="O'Dd"))
    return metadata


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(CITUS, """CREATE SCHEMA "O'Dd" """)
        yield here


@pytest.fixture
def engine(db: Database) -> Iterator[Engine]:
    engine = db.engine()
    yield engine
    engine.dispose()


def distribute(engine: Engine, metadata: MetaData, statements: list[str] | None = None) -> None:
    """Do as the guide has it."""
    with engine.begin() as connection, system_scope("distribute the tables"):
        metadata.create_all(connection)
        for statement in citus_statements(metadata) if statements is None else statements:
            connection.exec_driver_sql(statement)


def groups(db: Database) -> dict[str, tuple[str, int]]:
    sql = "SELECT logicalrelid::text, partmethod, colocationid FROM pg_dist_partition"
    return {name: (method, group) for name, method, group in db.read(sql)}


def test_shared_tables_come_first_and_each_statement_can_be_run_again() -> None:
    first, policies, *found = citus_statements(tables())
    assert first == "SET LOCAL citus.enable_local_reference_table_foreign_keys TO off"
    assert "NOT polpermissive" in policies
    managed = "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = "
    assert found[0] == (
        f"SELECT create_reference_table('cluster_zone') {managed}'cluster_zone'::regclass "
        "AND partmethod = 'n' AND repmodel = 't')"
    )
    alone = (
        f"SELECT create_distributed_table({ODD}, 'tenant_id', colocate_with => 'none') "
        f"{managed}{ODD}::regclass AND partmethod = 'h' "
        "AND column_to_column_name(logicalrelid, partkey) = 'tenant_id')"
    )
    assert alone in found
    beside = (
        "SELECT create_distributed_table('cluster_m', 'tenant_id', colocate_with => coalesce(("
        "SELECT logicalrelid::text FROM pg_catalog.pg_dist_partition WHERE partmethod = 'h' AND "
        "logicalrelid IN ('cluster_n'::regclass) ORDER BY colocationid LIMIT 1), 'none')) "
    )
    assert any(each.startswith(beside) for each in found)
    # Drivers may take these for parameters.
    assert not any("%" in each for each in citus_statements(tables()))


def test_tables_of_one_type_of_tenant_are_put_together(db: Database, engine: Engine) -> None:
    distribute(engine, tables())
    found = groups(db)
    assert found["cluster_zone"] == ("n", 0)
    (one,) = {found["cluster_m"], found["cluster_n"]}
    assert one[0] == "h"
    assert found[""""O'Dd".cluster_c"""] == ("h", {1: 2, 2: 1}[one[1]])
    # What is there stays as it is.
    distribute(engine, tables())
    assert groups(db) == found


def test_a_new_table_is_put_beside_what_is_there(db: Database, engine: Engine) -> None:
    metadata = tables()
    distribute(engine, metadata)
    before = groups(db)
    # Before all others, and after them.
    keyed("cluster_a", metadata)
    keyed("cluster_z", metadata)
    distribute(engine, metadata)
    after = groups(db)
    assert after["cluster_a"] == after["cluster_z"] == after["cluster_m"] == before["cluster_m"]
    assert before.items() < after.items()


@pytest.mark.parametrize("there", ["'h', 'id', 9, 's'", "'n', NULL, 0, 't'", "'n', NULL, 0, 's'"])
def test_a_table_that_is_distributed_otherwise_is_an_error(
    db: Database, engine: Engine, there: str
) -> None:
    metadata = tables()
    metadata.create_all(engine)
    db.run(f"INSERT INTO pg_dist_partition VALUES ('cluster_m', {there})")
    with pytest.raises(Exception, match="table cluster_m is already distributed"):
        distribute(engine, metadata)
    assert list(groups(db)) == ["cluster_m"]


def test_no_table_with_restrictive_policies_is_distributed(db: Database, engine: Engine) -> None:
    metadata = tables()
    with engine.begin() as connection:
        metadata.create_all(connection)
        rls.create_policies(connection, metadata)
    with pytest.raises(Exception, match=r"permissive on the shards.*tenantshield_\w+ on"):
        distribute(engine, metadata)
    with engine.begin() as connection:
        rls.drop_policies(connection, metadata)
    distribute(engine, metadata)
    db.run("CREATE POLICY theirs ON cluster_n AS RESTRICTIVE USING (id < 5)")
    with pytest.raises(Exception, match="drop theirs on cluster_n"):
        distribute(engine, metadata)
    with pytest.raises(Exception, match="drop theirs on cluster_n"):
        distribute(engine, metadata, citus_policy_statements(metadata, role="postgres"))


def test_policies_of_the_other_kind_are_refused_there(db: Database, engine: Engine) -> None:
    metadata = tables()
    distribute(engine, metadata)
    with engine.begin() as connection, pytest.raises(ConfigurationError) as caught:
        rls.create_policies(connection, metadata)
    for name in ("cluster_m", "cluster_n", """"O'Dd".cluster_c"""):
        assert name in str(caught.value)
    assert "cluster_zone" not in str(caught.value)
    assert "see the rows of others" in str(caught.value)
    (spec,) = (each for each in rls.specs_of(metadata) if each.name == "cluster_n")
    with engine.begin() as connection:
        operations: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(ConfigurationError, match="cluster_n"):
            operations.put_tenant_policies(spec)
    assert db.read("SELECT * FROM pg_policy") == []
    assert db.read("SELECT relname FROM pg_class WHERE relrowsecurity") == []
    # A table that is not distributed gets them, in the same database.
    plain = MetaData()
    keyed("cluster_plain", plain)
    with engine.begin() as connection:
        plain.create_all(connection)
        rls.create_policies(connection, plain)
        rls.create_policies(connection, MetaData())
    assert db.read("SELECT DISTINCT polrelid::regclass::text FROM pg_policy") == [
        ("cluster_plain",)
    ]


def test_the_stand_in_refuses_what_citus_refuses(db: Database, engine: Engine) -> None:
    """The other tests could not fail otherwise."""
    metadata = tables()
    first, policies, *others = citus_statements(metadata)
    db.run(
        f"ALTER DATABASE {db.url.database} SET citus.enable_local_reference_table_foreign_keys = on"
    )
    with pytest.raises(Exception, match="cannot create foreign key constraint") as caught:
        distribute(engine, metadata, [policies, *others])
    assert isinstance(getattr(caught.value, "orig", None), psycopg.Error)
    distribute(engine, metadata, [first, policies, *others])
