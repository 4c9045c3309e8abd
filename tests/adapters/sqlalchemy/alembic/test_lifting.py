"""Tables whose policies apply to their owner are filled all the same, and keep the policies."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tenantshield_mw import ConfigurationError, system_scope
from tests.adapters.sqlalchemy.alembic.project import operations
from tests.databases import Database

from .stepping import ROWS, add, fill, migrate


@contextmanager
def as_role(db: Database, engine: Engine, *statements: str) -> Generator[Any]:
    """Yield a connection of a role to which policies apply, on tables that have some."""
    with db.roles(stepping="") as (role,):
        db.run(
            *(each.format(role=role) for each in statements),
            f"GRANT SELECT, UPDATE ON step_sale, step_shop TO {role}",
            *(
                f"ALTER TABLE {table} {verb} ROW LEVEL SECURITY"
                for table in ("step_sale", "step_shop")
                for verb in ("ENABLE", "FORCE")
            ),
        )
        with system_scope("a test"), engine.connect() as connection:
            connection.execute(text(f"SET ROLE {role}"))
            connection.commit()
            try:
                yield connection
            finally:
                connection.rollback()
                connection.execute(text("RESET ROLE"))
                connection.commit()


def forced(db: Database) -> list[Any]:
    return db.read("SELECT relname FROM pg_class WHERE relforcerowsecurity ORDER BY relname")


def test_rows_that_policies_hide_are_not_skipped(db: Database, engine: Engine) -> None:
    migrate(engine, add)
    with (
        as_role(db, engine) as connection,
        pytest.raises(DBAPIError, match="row-level security"),
        operations(connection) as op,
    ):
        fill(op)
    assert db.read("SELECT count(*) FROM step_sale WHERE tenant_id IS NOT NULL") == [(0,)]


def test_the_owner_fills_tables_with_policies(db: Database, engine: Engine) -> None:
    migrate(engine, add)
    owned = [f"ALTER TABLE {each} OWNER TO {{role}}" for each in ("step_sale", "step_shop")]
    with as_role(db, engine, *owned) as connection:
        with operations(connection) as op:
            fill(op)
        assert forced(db) == [("step_sale",), ("step_shop",)]
        assert db.read("SELECT count(*), count(tenant_id) FROM step_sale") == [(ROWS, ROWS)]
        db.run("UPDATE step_sale SET tenant_id = NULL")
        with (
            pytest.raises(ConfigurationError, match="NULL for"),
            operations(connection) as op,
        ):
            op.fill_tenant_column("step_sale", sql="SELECT tenant_id FROM step_shop WHERE false")
        assert forced(db) == [("step_sale",), ("step_shop",)]
        # So that the roles can be dropped.
        db.run(*(each.format(role="CURRENT_USER") for each in owned))
