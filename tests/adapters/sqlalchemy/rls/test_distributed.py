"""Tables that Citus has distributed have a policy of the kind that it can keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Uuid

from tenantshield_mw import ConfigurationError, system_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.citus import citus_policy_statements, citus_statements
from tenantshield_mw.adapters.sqlalchemy.doctor import examine
from tenantshield_mw.adapters.sqlalchemy.rls import find_differences, specs_of
from tenantshield_mw.adapters.sqlalchemy.rls.distributed import refuse_distributed
from tests.databases import Database, database

from ..citus_stand_in import CITUS
from .specs import LEAF, PERSON, TABLES, TREE


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(*TABLES)
        yield here


@pytest.fixture
def connection(db: Database) -> Iterator[Connection]:
    engine = db.engine()
    with system_scope("a test"), engine.connect() as connection:
        yield connection
    engine.dispose()


def test_where_there_is_no_citus_nothing_is_refused(connection: Connection) -> None:
    refuse_distributed(connection, [PERSON, TREE, LEAF])


def test_a_table_that_is_distributed_is_refused_and_named(
    db: Database, connection: Connection
) -> None:
    db.run(CITUS, "SET citus.enable_local_reference_table_foreign_keys = off")
    refuse_distributed(connection, [])
    refuse_distributed(connection, [PERSON, TREE])
    db.run("INSERT INTO pg_dist_partition VALUES ('person'::regclass, 'h', 'tenant_id', 1, 's')")
    refuse_distributed(connection, [TREE])
    with pytest.raises(ConfigurationError, match="person") as caught:
        refuse_distributed(connection, [PERSON, TREE])
    assert "My Schema" not in str(caught.value)


# -- what is there and what should be ------------------------------------------------


METADATA = MetaData()
_TYPES: dict[str, Any] = {"text": String(40), "number": Integer(), "uuid": Uuid()}
for _name, _type in _TYPES.items():
    tenant_aware(
        Table(
            f"spread_{_name}",
            METADATA,
            Column("Tenant Id", _type, primary_key=True, autoincrement=False),
            Column("id", Integer, primary_key=True, autoincrement=False),
        ),
        column="Tenant Id",
    )
NAMES = sorted(METADATA.tables)


@pytest.fixture
def spread() -> Iterator[Connection]:
    """A connection to a database that has distributed the tables, with their policies."""
    with database("postgresql") as here, here.roles(app="LOGIN") as (app,):
        engine = here.engine()
        with system_scope("a test"), engine.begin() as connection:
            METADATA.create_all(connection)
            here.run(CITUS)
            for statement in (
                *citus_statements(METADATA),
                *citus_policy_statements(METADATA, role=app),
            ):
                connection.exec_driver_sql(statement)
            yield connection
        engine.dispose()


def found(connection: Connection) -> list[tuple[str, str]]:
    differences = find_differences(connection, specs_of(METADATA))
    assert all(each.distributed and not each.harmless for each in differences)
    return [(each.table, each.kind) for each in differences]


def test_with_the_policies_for_citus_nothing_differs(spread: Connection) -> None:
    assert found(spread) == []


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("DROP POLICY tenantshield_citus ON {}", ["policy missing"]),
        ("ALTER POLICY tenantshield_citus ON {} USING (true)", ["policy outdated"]),
        ("ALTER POLICY tenantshield_citus ON {} WITH CHECK (true)", ["policy outdated"]),
        ("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", ["not enabled"]),
        ("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", ["not forced"]),
        ("CREATE POLICY other ON {} AS RESTRICTIVE USING (true)", ["policy unexpected"]),
        ("CREATE POLICY other ON {} USING (id = 1)", ["policy unexpected"]),
        ("CREATE POLICY tenantshield_tenant ON {} USING (id = 1)", ["policy unexpected"]),
    ],
)
def test_what_differs_is_found(spread: Connection, change: str, kinds: list[str]) -> None:
    spread.exec_driver_sql(change.format(NAMES[0]))
    assert found(spread) == [(NAMES[0], kind) for kind in kinds]


def test_the_doctor_says_what_to_do_on_citus(spread: Connection) -> None:
    spread.exec_driver_sql(f"DROP POLICY tenantshield_citus ON {NAMES[0]}")
    spread.exec_driver_sql(f"ALTER TABLE {NAMES[0]} DISABLE ROW LEVEL SECURITY")
    spread.exec_driver_sql(f"CREATE POLICY other ON {NAMES[1]} AS RESTRICTIVE USING (true)")
    policies = [each for each in examine(METADATA, spread) if each.kind.startswith("polic")]
    assert [(each.kind, each.table) for each in policies] == [
        ("policies-missing", NAMES[0]),
        ("policy-unexpected", NAMES[1]),
    ]
    missing, unexpected = policies
    assert "citus_policy_statements" in missing.fix
    assert "on the shards" in unexpected.reason
