"""Tables that Citus has distributed get no policies of the kind that it cannot keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from tenantshield_mw import ConfigurationError, system_scope
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
