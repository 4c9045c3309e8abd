"""The tenant column is added, required, and removed again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, String
from sqlalchemy.exc import IntegrityError

from tests.databases import Database

from .stepping import FINISHED, add, fill, migrate, require, shape


def test_a_downgrade_restores_the_table(db: Database, engine: Engine) -> None:
    from tenantshield_mw.adapters.sqlalchemy import alembic

    before = shape(db)
    done = [
        alembic.AddTenantColumnOp("step_sale", "tenant_id", String(20)),
        alembic.FillTenantColumnOp("step_sale", value="acme"),
        alembic.RequireTenantColumnOp("step_sale"),
        alembic.CreateTenantIndexOp("ix", "step_sale"),
        alembic.CreateTenantUniqueOp("uq", "step_sale"),
    ]

    def undo(op: Any) -> None:
        for each in reversed(done):
            op.invoke(each.reverse())

    migrate(engine, *(lambda op, each=each: op.invoke(each) for each in done))
    assert shape(db) != before
    migrate(engine, undo)
    assert shape(db) == before


def test_a_row_without_a_tenant_is_found_and_the_step_can_be_run_again(
    db: Database, engine: Engine
) -> None:
    migrate(engine, add)
    with pytest.raises(IntegrityError, match="tenantshield_not_null"):
        migrate(engine, require)
    # From now on there are no new rows without a tenant.
    with pytest.raises(Exception, match="tenantshield_not_null"):
        db.run("INSERT INTO step_sale VALUES (0, 1)")
    migrate(engine, fill, require)
    assert shape(db)["columns"] == FINISHED["columns"]
    assert shape(db)["constraints"] == []
