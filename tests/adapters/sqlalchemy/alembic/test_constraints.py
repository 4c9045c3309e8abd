"""Indexes, unique constraints and foreign keys with the tenant, created beside writers."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from tenantshield_mw import ConfigurationError
from tests.databases import Database

from .stepping import (
    FINISHED,
    Act,
    add,
    fill,
    foreign_key,
    index,
    locks,
    migrate,
    shape,
    unique,
    waiting_for,
    write_beside,
    writer,
)


@pytest.mark.parametrize(("step", "earlier"), [(index, [add]), (unique, [])])
def test_an_index_is_built_while_others_write(
    db: Database, engine: Engine, step: Act, earlier: list[Act]
) -> None:
    migrate(engine, *earlier)
    with writer(db) as other:
        run = threading.Thread(target=migrate, args=(engine, step))
        run.start()
        while not (waiting := waiting_for(db, other.info.backend_pid)):
            pass
        # No locks that block writers.
        assert set(locks(db, waiting[0], granted=True)) <= {"ShareUpdateExclusiveLock"}
        assert locks(db, waiting[0], granted=False) == []
        write_beside(db)
        other.execute("COMMIT")
        run.join()
    assert all(valid for _, valid, _ in shape(db)["indexes"])
    assert shape(db)["indexes"]


# -- after failures ----------------------------------------------------------------


def test_an_invalid_index_is_rebuilt(db: Database, engine: Engine) -> None:
    db.run("UPDATE step_shop SET tenant_id = 'acme'", "ALTER TABLE step_shop ADD COLUMN n int")
    two = {"columns": ["tenant_id", "n"]}
    db.run("UPDATE step_shop SET n = 1")
    with pytest.raises(IntegrityError):
        migrate(engine, lambda op: op.create_tenant_unique("uq", "step_shop", **two))
    assert shape(db)["indexes"] == [("uq", False, True)]
    db.run("UPDATE step_shop SET n = id")
    migrate(engine, lambda op: op.create_tenant_unique("uq", "step_shop", **two))
    assert shape(db)["indexes"] == [("uq", True, True)]
    assert shape(db)["constraints"] == [("uq", "UNIQUE (tenant_id, n)", True)]


@pytest.mark.parametrize(
    "taken",
    [
        "CREATE INDEX ix_sale_tenant ON step_sale (id)",
        "CREATE INDEX ix_sale_tenant ON step_sale (tenant_id, shop_id) WHERE id = 1",
        "CREATE UNIQUE INDEX ix_sale_tenant ON step_sale (tenant_id, shop_id, id)",
        "CREATE INDEX ix_sale_tenant ON step_shop (tenant_id)",
        "CREATE TABLE ix_sale_tenant ()",
    ],
)
def test_a_name_that_is_taken_is_an_error(db: Database, engine: Engine, taken: str) -> None:
    migrate(engine, add)
    db.run(taken)
    with pytest.raises(ConfigurationError, match="choose another name"):
        migrate(engine, index)


def test_a_reference_to_another_tenants_row_is_found(db: Database, engine: Engine) -> None:
    migrate(engine, add, fill, unique)
    db.run("UPDATE step_sale SET tenant_id = 'other' WHERE id = 2")
    with pytest.raises(IntegrityError, match="fk_sale_shop"):
        migrate(engine, foreign_key)
    # It already applies to new rows, and was created before the old ones were read.
    assert [(name, valid) for name, _, valid in shape(db)["constraints"]] == [
        ("fk_sale_shop", False),
        ("uq_shop_tenant", True),
    ]
    db.run("UPDATE step_sale SET tenant_id = 'acme' WHERE id = 2")
    migrate(engine, foreign_key)
    assert FINISHED["constraints"][0] in shape(db)["constraints"]
