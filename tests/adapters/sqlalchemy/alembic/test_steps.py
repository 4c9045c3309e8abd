"""Add a tenant column to a table while an application runs."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, Uuid, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tenantshield_mw import ConfigurationError, system_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.alembic import FillTenantColumnOp, execution
from tests.adapters.sqlalchemy.alembic.project import operations, written_out
from tests.databases import Database, database

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


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(
            "CREATE TABLE step_shop (id int PRIMARY KEY, tenant_id varchar(20) NOT NULL)",
            "INSERT INTO step_shop VALUES (1, 'acme'), (2, 'other')",
            "CREATE TABLE step_sale (id int PRIMARY KEY, shop_id int)",
            f"INSERT INTO step_sale SELECT n, 1 + n % 2 FROM generate_series(1, {ROWS}) n",
        )
        yield here


@pytest.fixture
def engine(db: Database) -> Iterator[Engine]:
    engine = db.engine()
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "PAUSE", 0.0)


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


def test_the_steps_make_a_table_tenant_aware(db: Database, engine: Engine) -> None:
    migrate(engine, *STEPS)
    assert shape(db) == FINISHED
    assert is_filled(db)


def test_each_step_can_be_run_again(db: Database, engine: Engine) -> None:
    migrate(engine, *STEPS)
    migrate(engine, *STEPS)
    assert shape(db) == FINISHED
    assert is_filled(db)


def test_what_is_written_out_does_the_same(db: Database, engine: Engine) -> None:
    for step in STEPS:
        # As psql does: one statement at a time.
        for statement in statements(written_out(step)):
            db.run(statement)
    assert shape(db) == FINISHED
    assert is_filled(db)


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


LOCKING: list[tuple[Act, list[Act]]] = [
    (add, []),
    (require, [add, fill]),
    (unique, []),
    (foreign_key, [add, fill, unique]),
]


@pytest.mark.parametrize(
    ("step", "earlier"), LOCKING, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_step_that_needs_a_lock_gives_way_and_tries_again(
    db: Database,
    engine: Engine,
    step: Act,
    earlier: list[Act],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrate(engine, *earlier)
    gave_way: list[bool] = []
    with writer(db) as other:

        def pause(seconds: float) -> None:
            # The step has just timed out. The transactions queued behind it write now.
            assert other.info.transaction_status.name == "INTRANS"
            write_beside(db)
            gave_way.append(True)
            if len(gave_way) == 2:
                other.execute("COMMIT")

        monkeypatch.setattr("time.sleep", pause)
        if step is unique:
            # It first waits for the end of the transaction, without a lock that blocks others.
            unblock = threading.Thread(target=commit_when_waited_for, args=(db, other))
            unblock.start()
            migrate(engine, step)
            unblock.join()
        else:
            migrate(engine, step)
            assert gave_way == [True, True]
    migrate(engine, *STEPS)
    assert shape(db) == FINISHED


def commit_when_waited_for(db: Database, other: Any) -> None:
    while not waiting_for(db, other.info.backend_pid):
        pass
    write_beside(db)
    other.execute("COMMIT")


def waiting_for(db: Database, pid: int) -> list[int]:
    return [
        each
        for (each,) in db.read(
            "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", (pid,)
        )
    ]


def test_a_lock_that_cannot_be_acquired_leaves_everything_unchanged(
    db: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "ATTEMPTS", 2)
    before = shape(db)
    with writer(db), pytest.raises(DBAPIError, match="lock timeout"):
        migrate(engine, add)
    write_beside(db)
    assert shape(db) == before


def test_another_error_is_not_retried(db: Database, engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="does not exist"):
        migrate(engine, lambda op: op.add_tenant_column("nowhere"))


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


def test_the_long_statements_hold_no_lock_that_keeps_writers_out(
    db: Database, engine: Engine
) -> None:
    """Each statement alone, in a transaction that shows its locks."""
    harmless = {"ShareUpdateExclusiveLock", "RowShareLock", "RowExclusiveLock", "AccessShareLock"}
    seen: list[str] = []
    for step in STEPS:
        for statement in statements(written_out(step)):
            if "VALIDATE CONSTRAINT" in statement:
                with db.dbapi() as connection:
                    connection.execute("BEGIN")
                    connection.execute(statement)
                    held = locks(db, connection.info.backend_pid, granted=True)
                    assert held
                    assert set(held) <= harmless
                    connection.execute("COMMIT")
                    seen.append(statement)
            else:
                db.run(statement)
    assert len(seen) == 2
    assert shape(db) == FINISHED


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


def test_filling_takes_a_value_or_an_expression(engine: Engine) -> None:
    wrongs: list[dict[str, Any]] = [{}, {"value": "acme", "sql": "'acme'"}]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match="either value= or sql="):
            FillTenantColumnOp("step_sale", **wrong)
    with pytest.raises(ConfigurationError, match="at least 1"):
        migrate(engine, lambda op: op.fill_tenant_column("step_sale", value=1, batch_rows=0))


@pytest.mark.parametrize("step", STEPS)
def test_in_an_outer_transaction_it_is_an_error(engine: Engine, step: Act) -> None:
    with (
        engine.begin() as connection,
        operations(connection) as op,
        pytest.raises(ConfigurationError, match="open transaction"),
    ):
        step(op)


@pytest.mark.parametrize("step", STEPS)
def test_on_another_database_it_is_an_error(step: Act) -> None:
    with pytest.raises(ConfigurationError, match="this operation requires PostgreSQL"):
        written_out(step, "sqlite")
