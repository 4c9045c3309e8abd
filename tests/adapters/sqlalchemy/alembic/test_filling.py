"""The tenant column is filled in batches, beside an application that writes."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, String, Uuid

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.alembic import FillTenantColumnOp
from tests.adapters.sqlalchemy.alembic.project import written_out
from tests.databases import Database

from .stepping import (
    ROWS,
    add,
    fill,
    is_filled,
    migrate,
    statements,
    waiting_for,
    write_beside,
    writer,
)


def test_locked_rows_are_skipped_and_filled_last(db: Database, engine: Engine) -> None:
    migrate(engine, add)
    with writer(db) as other:
        run = threading.Thread(target=migrate, args=(engine, fill))
        run.start()
        # It waits for the only locked row, and holds no locks itself.
        while not waiting_for(db, other.info.backend_pid):
            pass
        assert db.read("SELECT count(*) FROM step_sale WHERE tenant_id IS NULL") == [(1,)]
        write_beside(db)
        other.execute("COMMIT")
        run.join()
    assert is_filled(db)


def test_filling_goes_on_where_it_was_interrupted(
    db: Database, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(engine, add)
    db.run("UPDATE step_sale SET tenant_id = 'kept' WHERE id <= 900")
    with caplog.at_level(logging.INFO, "alembic.tenantshield"):
        migrate(engine, fill)
    assert db.read("SELECT count(*) FROM step_sale WHERE tenant_id = 'kept'") == [(900,)]
    assert db.read("SELECT count(*) FROM step_sale WHERE tenant_id IS NULL") == [(0,)]
    assert [each.getMessage() for each in caplog.records] == [
        "step_sale: 64 rows filled",
        "step_sale: 100 rows filled",
        "step_sale: every row has a tenant; 100 rows were filled",
    ]


def test_batches_are_transactions_of_their_own(db: Database, engine: Engine) -> None:
    migrate(engine, add)
    db.run("UPDATE step_sale SET shop_id = 3 WHERE id = 500")
    with pytest.raises(ConfigurationError, match="is NULL for 1 of"):
        migrate(engine, fill)
    [(left,)] = db.read("SELECT count(*) FROM step_sale WHERE tenant_id IS NULL")
    assert 0 < left < ROWS
    db.run("INSERT INTO step_shop VALUES (3, 'late')")
    migrate(engine, fill)
    assert db.read("SELECT tenant_id FROM step_sale WHERE id = 500") == [("late",)]
    written = {xmin for (xmin,) in db.read("SELECT DISTINCT xmin::text FROM step_sale")}
    assert len(written) >= ROWS // 64


# -- values and places -------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (String(20), "it's 100% \\ :me"),
        (Integer(), -7),
        (Uuid(), uuid.UUID("12345678-1234-5678-1234-567812345678")),
    ],
)
@pytest.mark.parametrize("offline", [False, True])
def test_a_value_is_given_to_all_rows(
    db: Database, engine: Engine, type_: Any, value: Any, offline: bool
) -> None:
    def act(op: Any) -> None:
        op.add_tenant_column("step_sale", "The %Tenant", type_)
        op.fill_tenant_column("step_sale", "The %Tenant", value=value)

    if offline:
        for statement in statements(written_out(act)):
            db.run(statement)
    else:
        migrate(engine, act)
    assert db.read('SELECT DISTINCT "The %Tenant" FROM step_sale') == [(value,)]


def test_partitions_and_other_schemas_are_filled_too(db: Database, engine: Engine) -> None:
    db.run(
        'CREATE SCHEMA "Old Data"',
        'CREATE TABLE "Old Data"."Part\'s" (id int) PARTITION BY RANGE (id)',
        'CREATE TABLE "Old Data".low PARTITION OF "Old Data"."Part\'s" FOR VALUES FROM (0) TO (50)',
        'CREATE TABLE high PARTITION OF "Old Data"."Part\'s" FOR VALUES FROM (50) TO (999)',
        'INSERT INTO "Old Data"."Part\'s" SELECT generate_series(0, 99)',
    )

    def act(op: Any) -> None:
        op.add_tenant_column("Part's", schema="Old Data")
        op.fill_tenant_column("Part's", value="acme", batch_rows=7, schema="Old Data")
        op.require_tenant_column("Part's", schema="Old Data")

    migrate(engine, act)
    read = 'SELECT count(*) FROM "Old Data"."Part\'s" WHERE tenant_id = \'acme\''
    assert db.read(read) == [(100,)]
    db.run(
        'ALTER TABLE "Old Data"."Part\'s" ALTER tenant_id DROP NOT NULL',
        'UPDATE "Old Data"."Part\'s" SET tenant_id = NULL',
    )
    for statement in statements(written_out(act)):
        db.run(statement)
    assert db.read(read) == [(100,)]


def test_filling_takes_a_value_or_an_expression(engine: Engine) -> None:
    wrongs: list[dict[str, Any]] = [{}, {"value": "acme", "sql": "'acme'"}]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match="either value= or sql="):
            FillTenantColumnOp("step_sale", **wrong)
    with pytest.raises(ConfigurationError, match="at least 1"):
        migrate(engine, lambda op: op.fill_tenant_column("step_sale", value=1, batch_rows=0))
