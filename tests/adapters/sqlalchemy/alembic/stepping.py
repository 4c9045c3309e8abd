"""The steps that make a table tenant-aware, and what others do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table

from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.adapters.sqlalchemy.alembic.project import operations
from tests.databases import Database

# The steps work under the guard, which knows the table by its name.
tenant_aware(
    Table(
        "step_sale",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
    )
)

ROWS = 1000
Act = Callable[[Any], None]


def migrate(engine: Engine, *acts: Act) -> None:
    with engine.connect() as connection, operations(connection) as op:
        for act in acts:
            act(op)


def add(op: Any) -> None:
    op.add_tenant_column("step_sale", "tenant_id", String(20), lock_timeout=100)


def fill(op: Any) -> None:
    op.fill_tenant_column(
        "step_sale",
        sql="SELECT tenant_id FROM step_shop WHERE step_shop.id = filled.shop_id",
        batch_rows=64,
    )


def require(op: Any) -> None:
    op.require_tenant_column("step_sale", lock_timeout=100)


def index(op: Any) -> None:
    op.create_tenant_index("ix_sale_tenant", "step_sale", ["tenant_id", "shop_id"])


def unique(op: Any) -> None:
    op.create_tenant_unique("uq_shop_tenant", "step_shop", lock_timeout=100)


def foreign_key(op: Any) -> None:
    op.create_tenant_foreign_key(
        "fk_sale_shop",
        "step_sale",
        ["tenant_id", "shop_id"],
        "step_shop",
        ["tenant_id", "id"],
        ondelete="CASCADE",
        lock_timeout=100,
    )


STEPS: list[Act] = [add, fill, require, index, unique, foreign_key]


def shape(db: Database) -> dict[str, Any]:
    """Return the results of the steps from the catalog."""
    return {
        "columns": db.read(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
            "WHERE attrelid = 'step_sale'::regclass AND attnum > 0 AND NOT attisdropped"
        ),
        "constraints": db.read(
            "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
            "WHERE conrelid::regclass::text LIKE 'step_%' AND contype IN ('u', 'f', 'c') ORDER BY 1"
        ),
        "indexes": db.read(
            "SELECT indexrelid::regclass::text, indisvalid, indisunique FROM pg_index "
            "WHERE indrelid::regclass::text LIKE 'step_%' AND NOT indisprimary ORDER BY 1"
        ),
    }


FINISHED: dict[str, Any] = {
    "columns": [
        ("id", "integer", True),
        ("shop_id", "integer", False),
        ("tenant_id", "character varying(20)", True),
    ],
    "constraints": [
        (
            "fk_sale_shop",
            (
                "FOREIGN KEY (tenant_id, shop_id) REFERENCES step_shop(tenant_id, id) "
                "ON DELETE CASCADE"
            ),
            True,
        ),
        ("uq_shop_tenant", "UNIQUE (tenant_id, id)", True),
    ],
    "indexes": [("ix_sale_tenant", True, False), ("uq_shop_tenant", True, True)],
}


def is_filled(db: Database) -> bool:
    rows = db.read("SELECT DISTINCT shop_id, tenant_id FROM step_sale ORDER BY 1")
    return rows == [(1, "acme"), (2, "other")]


def statements(script: str) -> list[str]:
    """Split a script of this package, in whose only block no line ends a statement."""
    found, inside = [""], False
    for line in script.splitlines():
        found[-1] += line + "\n"
        if line.startswith("DO "):
            inside = True
        if line.startswith("END $"):
            inside = False
        if line.endswith(";") and not inside:
            found.append("")
    return [each for each in found if each.strip() and each.strip() not in ("BEGIN;", "COMMIT;")]


# -- beside others -----------------------------------------------------------------


@contextmanager
def writer(db: Database) -> Generator[Any, None, None]:
    """Yield another client's transaction that has written to both tables."""
    import psycopg

    with db.dbapi() as connection:
        assert isinstance(connection, psycopg.Connection)
        connection.execute("BEGIN")
        connection.execute("UPDATE step_shop SET id = id WHERE id = 1")
        connection.execute("UPDATE step_sale SET shop_id = shop_id WHERE id = 1")
        yield connection


def locks(db: Database, pid: int, *, granted: bool) -> list[str]:
    return [
        mode
        for (mode,) in db.read(
            "SELECT mode FROM pg_locks WHERE pid = %s AND granted = %s AND relation IN "
            "('step_sale'::regclass, 'step_shop'::regclass)",
            (pid, granted),
        )
    ]


def write_beside(db: Database) -> None:
    """Write like an application that does not wait for locks."""
    with db.dbapi() as connection:
        connection.execute("SET lock_timeout = 1")
        connection.execute("UPDATE step_sale SET shop_id = shop_id WHERE id = 2")


def waiting_for(db: Database, pid: int) -> list[int]:
    return [
        each
        for (each,) in db.read(
            "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", (pid,)
        )
    ]
